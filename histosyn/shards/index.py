"""`dataset.json`: what lies where in a folder of shards, and how it was made.

Sizes and byte offsets let a sample be read without touching the rest of its shard. The checksums
say which bytes were packed, so that a copy can be compared; reading does not verify them. The file
may come from anywhere, so everything that is read from it is checked.
"""

from __future__ import annotations

import json
import math
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
# The sum of two of them, an offset and a size, is still one that the system can seek to.
_LARGEST_NUMBER = 1 << 61


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
        return _index_from(json.loads(path.read_text("utf-8")), path)
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{path} is damaged ({error}). Pack the data set again.") from error
    except OSError as error:
        raise DatasetError(f"{path} cannot be read ({error.strerror}). Check it.") from error


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


def _index_from(data: Any, path: Path) -> DatasetIndex:
    version = _item(data, "format_version", "the file")
    if version != FORMAT_VERSION:
        raise DatasetError(f"{path} has format {version}, this histosyn reads {FORMAT_VERSION}.")
    schema = schema_from_dict(_item(data, "schema", "the file"), str(path))
    mpp = _item(data, "mpp", "the file")
    made_by = _item(data, "made_by", "the file")
    shards = tuple(_shard_from(item) for item in _list(data, "shards", "the file"))
    names = [shard.name for shard in shards]
    known = type(mpp) in (int, float) and 0 < mpp < math.inf
    _require(mpp is None or known, f"mpp is {mpp!r}")
    _require(isinstance(made_by, dict), f"made_by is {made_by!r}")
    _require(len(set(names)) == len(names), "two shards have the same name")
    return DatasetIndex(
        schema=schema,
        tile_size=_pair(data, "tile_size", "the file", least=1),
        mpp=mpp,
        class_pixels=_numbers(data, "class_pixels", "the file", count=len(schema)),
        shards=shards,
        made_by=made_by,
    )


def _shard_from(data: Any) -> Shard:
    name = _item(data, "name", "a shard")
    # The reader opens it: it must lie beside the index.
    plain = isinstance(name, str) and name.endswith(".tar") and not set(name) & set("/\\\0")
    _require(plain, f"a shard is called {name!r}, not like shard-000000.tar")
    sha256 = _item(data, "sha256", name)
    _require(isinstance(sha256, str), f"{name}: sha256 is {sha256!r}")
    entries = tuple(_entry_from(item, name) for item in _list(data, "entries", name))
    return Shard(name=name, sha256=sha256, entries=entries)


def _entry_from(data: Any, shard: str) -> Entry:
    key = _item(data, "key", f"{shard}, a sample")
    _require(isinstance(key, str), f"{shard}: the key of a sample is {key!r}")
    where = f"{shard}, sample {key}"
    group = _item(data, "group", where)
    _require(group is None or isinstance(group, str), f"{where}: group is {group!r}")
    tile, label = _pair(data, "tile", where), _pair(data, "label", where)
    return Entry(key=key, tile=tile, label=label, group=group)


def _item(data: Any, key: str, where: str) -> Any:
    _require(isinstance(data, dict), f"{where} is not an object")
    _require(key in data, f"{where} lacks {key!r}")
    return data[key]


def _list(data: Any, key: str, where: str) -> list[Any]:
    values = _item(data, key, where)
    _require(isinstance(values, list), f"{where}: {key} is not a list")
    return values


def _numbers(data: Any, key: str, where: str, *, count: int, least: int = 0) -> tuple[int, ...]:
    values = _list(data, key, where)
    fine = len(values) == count and all(
        type(value) is int and least <= value <= _LARGEST_NUMBER for value in values
    )
    _require(fine, f"{where}: {key} is not {count} whole numbers from {least} on")
    return tuple(values)


def _pair(data: Any, key: str, where: str, *, least: int = 0) -> tuple[int, int]:
    first, second = _numbers(data, key, where, count=2, least=least)
    return first, second


def _require(condition: bool, text: str) -> None:
    if not condition:
        raise ValueError(text)
