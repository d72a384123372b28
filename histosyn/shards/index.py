"""`dataset.json`: what lies where in a folder of shards, and how it was made.

Sizes and byte offsets let a sample be read without touching the rest of its shard; the counts and
checksums notice what tar readers pass over in silence.
"""

from __future__ import annotations

import json
import tarfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from histosyn.labels import LabelSchema, schema_from_dict
from hpc.errors import DatasetError
from hpc.files import require_folder, sha256_of_file, write_text

FORMAT_VERSION = 1
INDEX_NAME = "dataset.json"
TILE_SUFFIXES = ("tile.png", "tile.jpg")
LABEL_SUFFIX = "label.png"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """Where one sample lies in its shard: (offset, size) in bytes of its tile and label map."""

    key: str
    tile: tuple[int, int]
    label: tuple[int, int]
    group: str | None = None


@dataclass(frozen=True, kw_only=True)
class Shard:
    """One tar file and its samples, in the order of the file."""

    name: str
    sha256: str
    entries: tuple[Entry, ...]


@dataclass(frozen=True, kw_only=True)
class DatasetIndex:
    """The content of `dataset.json`.

    `tile_size` is (height, width) in pixels, the same for all samples; `mpp` is microns per pixel
    where known; `class_pixels` counts pixels a class, (K,).
    """

    schema: LabelSchema
    tile_size: tuple[int, int]
    mpp: float | None
    class_pixels: tuple[int, ...]
    shards: tuple[Shard, ...]
    made_by: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return sum(len(shard.entries) for shard in self.shards)

    def save(self, folder: Path) -> None:
        """Write `dataset.json`, last of all: without it there is no data set."""
        data = asdict(self) | {"format_version": FORMAT_VERSION, "schema": self.schema.as_dict()}
        write_text(folder / INDEX_NAME, json.dumps(data, separators=(",", ":")) + "\n")


def load_index(folder: Path) -> DatasetIndex:
    """Read `dataset.json` of a folder of shards.

    Raises InputError if the folder is missing, DatasetError if it isn't a packed data set.
    """
    path = require_folder(folder, "data set") / INDEX_NAME
    if not path.is_file():
        raise DatasetError(
            f"{folder} holds no {INDEX_NAME}, so it is no packed data set (or packing was cut "
            "short). Give the folder that `histosyn pack` wrote, such as OUT/train."
        )
    try:
        data = json.loads(path.read_text("utf-8"))
        version = data.pop("format_version")
        if version != FORMAT_VERSION:
            raise DatasetError(
                f"{path} has format {version}, this histosyn reads {FORMAT_VERSION}."
            )
        return DatasetIndex(
            schema=schema_from_dict(data.pop("schema"), str(path)),
            tile_size=tuple(data.pop("tile_size")),
            class_pixels=tuple(data.pop("class_pixels")),
            shards=tuple(_shard_from(item) for item in data.pop("shards")),
            **data,
        )
    except (ValueError, KeyError, TypeError) as error:
        raise DatasetError(f"{path} is damaged ({error}). Pack the data set again.") from error


def index_shard(path: Path, groups: dict[str, str | None]) -> Shard:
    """Scan a tar that was just written and note where its samples lie."""
    offsets: dict[str, dict[str, tuple[int, int]]] = {}
    with tarfile.open(path) as tar:
        for member in tar:
            key, _, suffix = member.name.partition(".")
            offsets.setdefault(key, {})[suffix] = (member.offset_data, member.size)
    entries = tuple(
        Entry(
            key=key,
            tile=next(places[suffix] for suffix in TILE_SUFFIXES if suffix in places),
            label=places[LABEL_SUFFIX],
            group=groups.get(key),
        )
        for key, places in offsets.items()
    )
    return Shard(name=path.name, sha256=sha256_of_file(path), entries=entries)


def _shard_from(data: dict[str, Any]) -> Shard:
    entries = tuple(
        Entry(
            key=item["key"],
            tile=tuple(item["tile"]),
            label=tuple(item["label"]),
            group=item["group"],
        )
        for item in data["entries"]
    )
    return Shard(name=data["name"], sha256=data["sha256"], entries=entries)
