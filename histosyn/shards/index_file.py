"""`dataset.json` and `samples.npy`: the index of a folder of shards, written and read.

The first is a summary that people can read; the second has a row for each sample. Both may come
from anywhere, so all that is read from them is checked; a sample's bytes are compared with the
checksum in its row when it is used.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from histosyn.labels.label_map import LabelSchema, schema_from_dict
from histosyn.shards.index import (
    INDEX_NAME,
    DatasetIndex,
    LabelValues,
    LeftOut,
    Shard,
    ShardRecord,
)
from histosyn.shards.samples_table import (
    SAMPLES_NAME,
    Entry,
    SamplesTable,
    as_rows,
    row_type,
    write_table,
)
from histosyn.sources.tile_facts import PARTS
from hpc.errors import DatasetError
from hpc.files import require_folder, sha256_of_bytes, write_text
from hpc.paths import AnyPath, as_path
from hpc.records import Count, Records, Resolution, Side, Text

FORMAT_VERSION = 2


@dataclass(frozen=True, kw_only=True)
class _SavedIndex:
    """What `dataset.json` says."""

    format_version: Count
    samples: Count
    tile_size: tuple[Side, Side]
    mpp: Resolution | None
    schema: dict[str, Any]
    class_pixels: tuple[Count, ...]
    class_samples: tuple[Count, ...]
    label_values: LabelValues
    made_by: dict[str, Any]
    left_out: tuple[LeftOut, ...]
    sha256: Text
    shards: tuple[Shard, ...]


_INDICES = Records(
    kind=_SavedIndex, remedy="Pack the data set again.", error=DatasetError,
    # `made_by` may be anything.
    finite=False,
)  # fmt: skip


def write_index(
    folder: Path,
    *,
    schema: LabelSchema,
    tile_size: tuple[int, int],
    mpp: float | None,
    records: Collection[ShardRecord],
    made_by: dict[str, Any],
    label_values: LabelValues = "indices",
    left_out: tuple[LeftOut, ...] = (),
) -> DatasetIndex:
    """Write `samples.npy` and, last of all, `dataset.json`: without it there is no data set.

    `records` are gone through twice, and only one of them need be in memory at a time.
    """
    kind, length = _kind_and_number_of_rows(records, len(schema))
    table = SamplesTable(folder / SAMPLES_NAME, length, len(schema))
    shards: list[Shard] = []
    class_pixels, class_samples = np.zeros((2, len(schema)), dtype=np.int64)

    def rows_of_records() -> Iterator[np.ndarray]:
        for record in records:
            rows = as_rows(record.entries, kind)
            shards.append(_shard_of(record, rows))
            class_pixels[:] += np.array(record.class_pixels, dtype=np.int64)
            for entry in record.entries:
                class_samples[list(entry.classes)] += 1
            yield rows

    write_table(table.path, kind, table.length, rows_of_records())
    index = DatasetIndex(
        schema=schema,
        tile_size=tile_size,
        mpp=mpp,
        class_pixels=tuple(class_pixels.tolist()),
        class_samples=tuple(class_samples.tolist()),
        shards=tuple(shards),
        table=table,
        label_values=label_values,
        left_out=left_out,
        made_by=made_by,
    )
    write_text(folder / INDEX_NAME, _as_text(index))
    return index


def load_index(folder: AnyPath, index_folder: Path | None = None) -> DatasetIndex:
    """Read the index of a folder of shards, which may lie in another folder than they.

    Raises InputError if the folder is missing, DatasetError if it isn't a packed data set.
    """
    folder = as_path(folder, "data set")
    path = require_folder(index_folder or folder, "data set") / INDEX_NAME
    if not path.is_file():
        raise no_data_set(folder)
    try:
        return _index_from(_INDICES.read_plain(path), path)
    except OSError as error:
        raise DatasetError(f"{path} cannot be read ({error.strerror}). Check it.") from error


def no_data_set(folder: Path) -> DatasetError:
    """The error for a folder without index: it may hold the parts of a data set."""
    parts = [folder / name for name in PARTS if (folder / name / INDEX_NAME).is_file()]
    if parts:
        return DatasetError(
            f"{folder} holds {' and '.join(part.name for part in parts)}, the parts of a packed "
            f"data set, and no shards itself. Name one of them: did you mean {parts[0]}?"
        )
    return DatasetError(
        f"{folder} holds no {INDEX_NAME}, so it is no packed data set (or packing was cut "
        "short). Give the folder that `histosyn pack` wrote, such as OUT/train."
    )


def _kind_and_number_of_rows(
    records: Collection[ShardRecord], classes: int
) -> tuple[np.dtype, int]:
    length = 0

    def counted() -> Iterator[Entry]:
        nonlocal length
        for record in records:
            length += len(record.entries)
            yield from record.entries

    return row_type(counted(), classes), length


def _shard_of(record: ShardRecord, rows: np.ndarray) -> Shard:
    return Shard(
        name=record.name,
        sha256=record.sha256,
        size_bytes=record.size_bytes,
        samples=len(record.entries),
        rows_crc32=zlib.crc32(rows.tobytes()),
    )


def _as_text(index: DatasetIndex) -> str:
    """JSON for people too: a line for each entry, and one for each shard."""
    data = {
        "format_version": FORMAT_VERSION,
        "samples": len(index),
        "tile_size": index.tile_size,
        "mpp": index.mpp,
        "schema": index.schema.as_dict(),
        "class_pixels": index.class_pixels,
        "class_samples": index.class_samples,
        "label_values": index.label_values,
        "made_by": index.made_by,
        "left_out": [asdict(item) for item in index.left_out],
    }
    data["sha256"] = digest_of(data | {"shards": [asdict(shard) for shard in index.shards]})
    lines = [f'"{name}": {json.dumps(value)}' for name, value in data.items()]
    shards = ",\n  ".join(json.dumps(asdict(shard)) for shard in index.shards)
    return "{\n" + ",\n".join([*lines, f'"shards": [\n  {shards}\n]']) + "\n}\n"


def digest_of(data: dict[str, Any]) -> str:
    """The sha256 of what the file says but for this, in a form that ignores its layout."""
    content = {name: value for name, value in data.items() if name != "sha256"}
    return sha256_of_bytes(json.dumps(content, sort_keys=True).encode())


def _index_from(data: Any, path: Path) -> DatasetIndex:
    version = data.get("format_version") if isinstance(data, dict) else None
    if type(version) is int and version != FORMAT_VERSION:
        raise DatasetError(
            f"{path} has format {version}, this histosyn reads {FORMAT_VERSION}. "
            "Pack the data set again."
        )
    saved = _INDICES.checked(data, str(path))
    index = _checked_index(saved, path)
    if saved.sha256 != digest_of(data):
        raise _INDICES.damaged(
            str(path), "it was changed after it was written: its sha256 is another"
        )
    return index


def _checked_index(saved: _SavedIndex, path: Path) -> DatasetIndex:
    """What fits together in itself."""
    schema = schema_from_dict(saved.schema, str(path))
    samples = sum(shard.samples for shard in saved.shards)
    if saved.samples != samples:
        promise = f"it promises {saved.samples} samples, its shards {samples}"
        raise _INDICES.damaged(str(path), promise)
    if len({shard.name for shard in saved.shards}) < len(saved.shards):
        raise _INDICES.damaged(str(path), "two shards have the same name")
    for name in ("class_pixels", "class_samples"):
        if len(getattr(saved, name)) != len(schema):
            raise _INDICES.damaged(str(path), f"{name} is not {len(schema)} whole numbers")
    return DatasetIndex(
        schema=schema,
        tile_size=saved.tile_size,
        mpp=saved.mpp,
        class_pixels=saved.class_pixels,
        class_samples=saved.class_samples,
        shards=saved.shards,
        table=SamplesTable(path.with_name(SAMPLES_NAME), samples, len(schema)),
        label_values=saved.label_values,
        left_out=saved.left_out,
        made_by=saved.made_by,
    )
