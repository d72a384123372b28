"""Shards back to folders: tiles, label maps, and a table of what else is known of them.

OUT/tiles/KEY.png or .jpg, OUT/labels/KEY.png, OUT/schema.toml, OUT/samples.csv with the columns
tile, patient (if there are groups) and mpp (if it is known).

The images have the bytes that they have in the shards. A second run writes what is missing.
"""

from __future__ import annotations

import csv
import io
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from histosyn.labels.schema import schema_toml
from histosyn.shards.dataset import open_shards
from histosyn.shards.reader import RawSample, ShardReader
from hpc.errors import DatasetError, InputError
from hpc.files import write_bytes, write_text
from hpc.paths import AnyPath, as_path

What = Literal["tiles", "labels"]
Places = Iterable[tuple[int, int]]
Track = Callable[[Places, int], Places]
_PNG = b"\x89PNG"


@dataclass(frozen=True, kw_only=True)
class Unpacked:
    """How many files were written, and how many were there already."""

    made: int
    present: int


def unpack(
    shards: AnyPath,
    out: AnyPath,
    only: What | None = None,
    track: Track = lambda places, total: places,
) -> Unpacked:
    """Write the tiles and label maps of a folder of shards as files into `out`.

    With `only` one of both, straight into `out`. `track` is handed the places of the samples, and
    their number, to show progress. Raises InputError if a file of another content is in the way,
    DatasetError if the shards are damaged or two samples have one name.
    """
    reader, out = open_shards(shards), as_path(out, "OUT")
    _require_distinct(reader, as_path(shards, "shards"))
    made = present = 0
    for shard, sample in track(_places(reader), len(reader.index)):
        raw = reader.raw(shard, sample)
        for path, data in _files(raw, out, only):
            if _is_written(path, data):
                present += 1
            else:
                write_bytes(path, data)
                made += 1
    if only is None:
        write_text(out / "samples.csv", _table(reader))
        write_text(out / "schema.toml", schema_toml(reader.index.schema))
    return Unpacked(made=made, present=present)


def _places(reader: ShardReader) -> Iterator[tuple[int, int]]:
    return (reader.index.place(row) for row in range(len(reader.index)))


def _files(raw: RawSample, out: Path, only: What | None) -> Iterator[tuple[Path, bytes]]:
    kind = "png" if raw.tile.startswith(_PNG) else "jpg"
    for what, name, data in (
        ("tiles", f"{raw.key}.{kind}", raw.tile),
        ("labels", f"{raw.key}.png", raw.label),
    ):
        if only in (None, what):
            yield (out if only else out / what) / name, data


def _is_written(path: Path, data: bytes) -> bool:
    """Raises InputError if there is something else."""
    try:
        there = path.read_bytes()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise InputError(f"{path} is in the way ({error.strerror}). Choose another OUT.") from error
    if len(there) == len(data) and zlib.crc32(there) == zlib.crc32(data):
        return True
    raise InputError(
        f"{path} is there already, and is not what the shards hold. Choose another OUT, or remove "
        "it."
    )


def _require_distinct(reader: ShardReader, folder: Path) -> None:
    """Of other tools' shards two may have samples of one name, which would be one file."""
    seen: set[str] = set()
    for shard, sample in _places(reader):
        key = reader.index.entry(shard, sample).key
        if key.lower() in seen:
            raise DatasetError(
                f"{folder} has two samples called {key} (large and small letters are not told "
                "apart), and files need distinct names. Write the shards anew with such."
            )
        seen.add(key.lower())


def _table(reader: ShardReader) -> str:
    index = reader.index
    entries = [index.entry(shard, sample) for shard, sample in _places(reader)]
    grouped = any(entry.group for entry in entries)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    columns = ["tile", *["patient"] * grouped, *["mpp"] * (index.mpp is not None)]
    writer.writerow(columns)
    for entry in entries:
        cells = {"tile": entry.key, "patient": entry.group or "", "mpp": index.mpp}
        writer.writerow([cells[name] for name in columns])
    return text.getvalue()
