"""How each new label map was made: a line of the manifest, and a text in its PNG."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from histosyn.images.tiles import png_bytes, read_png_text
from histosyn.labels.label_map import LabelSchema, label_image
from hpc.errors import InputError
from hpc.files import sha256_of_bytes
from hpc.json_toml import plain_json
from hpc.records import Count, FileName, Records, Text

_CHUNK = "histosyn-labels"
_NOTICE = "A label map that nobody drew: made by histosyn out of others."


@dataclass(frozen=True, kw_only=True)
class Source:
    """A map that a new one was made of, what for, and the digest of its file."""

    file: FileName
    sha256: Text
    used: Text


@dataclass(frozen=True, kw_only=True)
class Record:
    """How one map was made.

    `operations` are the values that were drawn. `refused` counts the attempts before, by what was
    impossible in them. `recipe` is the digest of settings, schema and sources, `pixels_sha256` that
    of the class indices.
    """

    file: FileName
    number: Count
    seed: int
    attempt: Count
    sources: tuple[Source, ...]
    operations: dict[str, Any]
    refused: dict[str, Count]
    recipe: Text
    pixels_sha256: Text
    histosyn: Text = field(default_factory=lambda: version("histosyn"))


RECORDS = Records(
    kind=Record,
    remedy="Delete it: the same command makes it anew from the label maps.",
    error=InputError,
)


def pixels_sha256(labels_HW: np.ndarray) -> str:
    """The digest of class indices and shape, whatever file they are in."""
    return sha256_of_bytes(repr(labels_HW.shape).encode() + np.ascontiguousarray(labels_HW).data)


def marked_png_bytes(labels_HW: np.ndarray, schema: LabelSchema, record: Record) -> bytes:
    """The map as palette PNG that says what it is and how it was made."""
    image: Image.Image = label_image(labels_HW, schema)
    text = json.dumps(asdict(record), sort_keys=True)
    return png_bytes(image, {"Description": _NOTICE, _CHUNK: text})


def mark_of(path: Path) -> Record | None:
    """What `marked_png_bytes` said; None for a file that is not ours."""
    text = read_png_text(path).get(_CHUNK)
    if text is None:
        return None
    try:
        return RECORDS.convert(plain_json(text))
    except ValueError:
        return None
