"""Provenance of a synthetic tile: the record and the synthetic mark in each PNG and TIFF."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from msgspec import Meta
from PIL import Image

from histosyn.images.origin import SYNTHETIC_XMP, synthetic_png_bytes
from histosyn.images.strips import tiff_description
from histosyn.images.tiles import read_png_text
from histosyn.pyramids.bigtiff import Notes
from histosyn.stain.names import NAMES
from hpc.errors import InputError
from hpc.json_toml import plain_json
from hpc.records import Count, FileName, NearFileName, Positive, Records, Resolution, Text

# A byte a pixel says which noise it has; 0 is the image's own.
MOST_REROLLS = 255
Stain = Annotated[tuple[float, ...], Meta(min_length=len(NAMES), max_length=len(NAMES))]
_CHUNK = "histosyn"
_NOTICE = "Synthetic histology tile made by histosyn. It shows no real tissue."


@dataclass(frozen=True, kw_only=True)
class Painted:
    """Noise as `histosyn paint` has it: keyed by the seed alone, with re-rolled areas.

    `seeds` are those of the areas; `areas` is the file that says where they are, as seen from the
    folder of tiles, and None if there are none.
    """

    seeds: Annotated[tuple[int, ...], Meta(max_length=MOST_REROLLS)] = ()
    areas: NearFileName | None = None
    areas_sha256: Text | None = None


@dataclass(frozen=True, kw_only=True)
class Rerolled:
    """Parts of a tile of `synth` have noise of another seed, keyed by name and variant as well.

    `areas` is the file, as seen from the folder of tiles, that says where.
    """

    seeds: Annotated[tuple[int, ...], Meta(max_length=MOST_REROLLS)]
    areas: NearFileName
    areas_sha256: Text


@dataclass(frozen=True, kw_only=True)
class Selected:
    """A tile was chosen among tries with other noise by what a segmenter reads in it.

    Asked for was a Dice of `least_dice` in at most `most_tries`; of `tried` ones number `kept`,
    from 0 on, is the tile, read with a Dice of `dice`.
    """

    segmenter_sha256: Text
    least_dice: float
    most_tries: Positive
    tried: Positive | None = None
    kept: Count | None = None
    dice: float | None = None


# What is known of a selection only when the tile is made.
_OF_TRIES = ("tried", "kept", "dice")


@dataclass(frozen=True, kw_only=True)
class Resampled:
    """A label map was brought from `source_mpp` microns per pixel to the model's `mpp`."""

    source_mpp: Resolution
    mpp: Resolution

    @property
    def scale(self) -> float:
        """Pixels a side for each pixel a side before."""
        return self.source_mpp / self.mpp


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """A label map was drawn from annotations: into so many pixels, over a class (or none)."""

    width: Positive
    height: Positive
    unannotated: Text | None = None


@dataclass(frozen=True, kw_only=True)
class Record:
    """How one tile was made; a line of the manifest and a text chunk of its PNG.

    The noise is keyed by seed, name of the label map and variant, unless it was `painted`.
    `label_sha256` is that of the label map's file, before it was `resampled`.
    """

    file: FileName
    label: FileName
    label_sha256: Text
    seed: int
    variant: Positive
    model_sha256: Text
    histosyn: Text = field(default_factory=lambda: version("histosyn"))
    painted: Painted | None = None
    resampled: Resampled | None = None
    precision: Text = "float32"
    # The stain code, of a model that takes one.
    stain: Stain | None = None
    # How the tiles of a pyramid are compressed; a PNG has none.
    codec: Text | None = None
    drawn: Drawn | None = None
    rerolled: Rerolled | None = None
    selected: Selected | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain data, as in the manifest."""
        data = asdict(self)
        if self.stain is not None:
            data["stain"] = list(self.stain)
        if self.painted is not None:
            data["painted"]["seeds"] = list(self.painted.seeds)
        if self.rerolled is not None:
            data["rerolled"]["seeds"] = list(self.rerolled.seeds)
        if self.selected is not None:
            told = data["selected"].items()
            data["selected"] = {name: value for name, value in told if value is not None}
        return {name: value for name, value in data.items() if value is not None}


RECORDS = Records(kind=Record, remedy="Copy the manifest again, with the tiles.", error=InputError)


def tile_png_bytes(tile_HWC: np.ndarray, record: Record) -> bytes:
    """A tile, uint8 (H, W, 3), as PNG that says what it is and how it was made."""
    text = {"Description": _NOTICE, _CHUNK: _text_of(record)}
    return synthetic_png_bytes(Image.fromarray(tile_HWC), text)


def slide_notes(record: Record, mpp: float | None) -> Notes:
    """The same for a pyramid: its description ends with the record."""
    return Notes(
        mpp=mpp,
        description=f"{_NOTICE}\n{_CHUNK} {_text_of(record)}",
        software=f"histosyn {record.histosyn}",
        xmp=SYNTHETIC_XMP.encode(),
    )


def _text_of(record: Record) -> str:
    return json.dumps(record.as_dict(), sort_keys=True)


def mark_of(source: Path | bytes) -> dict[str, Any] | None:
    """What `tile_png_bytes` or `slide_notes` say; None for a file that isn't ours."""
    text = read_png_text(source).get(_CHUNK)
    if text is None and isinstance(source, Path):
        _, found, text = tiff_description(source).partition(f"\n{_CHUNK} ")
        text = text if found else None
    if text is None:
        return None
    try:
        mark: dict[str, Any] = plain_json(text)
        RECORDS.convert(mark)
    except ValueError:
        return None
    return mark


def same_but_for_version(found: dict[str, Any], record: Record) -> bool:
    """The version that made a tile is told, but does not matter; older ones told no float32."""
    known = {"precision": "float32"} | found | {"histosyn": None}
    wanted = record.as_dict() | {"histosyn": None}
    if record.selected is not None and record.selected.tried is None and "selected" in known:
        # Not yet known of what is to be made.
        tries = {name: value for name, value in known["selected"].items() if name not in _OF_TRIES}
        known = known | {"selected": tries}
    return known == wanted


def as_made(record: Record, found: dict[str, Any]) -> Record:
    """The record of a tile that is there: with what its mark tells of the tries."""
    if record.selected is None or record.selected.tried is not None:
        return record
    return replace(record, selected=RECORDS.convert(found).selected)


def entry_of(record: Record, output_sha256: str) -> dict[str, Any]:
    """A line of the manifest for an output of this digest."""
    return record.as_dict() | {"output_sha256": output_sha256}
