"""`dataset.json` and `samples.npy`: the index of a folder of shards, written and read.

The first is a summary that people can read; the second has a row for each sample. Both may come
from anywhere, so all that is read from them is checked; a sample's bytes are compared with the
checksum in its row when it is used.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Collection, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

import numpy as np

from histosyn.labels import LabelSchema, schema_from_dict
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
from histosyn.tile_facts import PARTS
from hpc.errors import DatasetError
from hpc.files import require_folder, sha256_of_bytes, write_text
from hpc.paths import AnyPath, as_path

FORMAT_VERSION = 2
# The sum of two of them, an offset and a size, is still one that the system can seek to.
_LARGEST_NUMBER = 1 << 61


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
        return _index_from(json.loads(path.read_text("utf-8")), path)
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{path} is damaged ({error}). Pack the data set again.") from error
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
    version = _item(data, "format_version", "the file")
    if version != FORMAT_VERSION:
        raise DatasetError(
            f"{path} has format {version}, this histosyn reads {FORMAT_VERSION}. "
            "Pack the data set again."
        )
    index = _checked_index(data, path)
    fits = _item(data, "sha256", "the file") == digest_of(data)
    _require(fits, "it was changed after it was written: its sha256 is another")
    return index


def _checked_index(data: Any, path: Path) -> DatasetIndex:
    schema = schema_from_dict(_item(data, "schema", "the file"), str(path))
    shards = tuple(_shard_from(item) for item in _list(data, "shards", "the file"))
    samples = sum(shard.samples for shard in shards)
    promised = _number(data, "samples", "the file")
    _require(promised == samples, f"it promises {promised} samples, its shards {samples}")
    names = [shard.name for shard in shards]
    _require(len(set(names)) == len(names), "two shards have the same name")
    values = _item(data, "label_values", "the file")
    _require(values in get_args(LabelValues), f"label_values is {values!r}")
    made_by = _item(data, "made_by", "the file")
    _require(isinstance(made_by, dict), f"made_by is {made_by!r}")
    return DatasetIndex(
        schema=schema,
        tile_size=_pair(data, "tile_size", "the file", least=1),
        mpp=_mpp_from(data),
        class_pixels=_numbers(data, "class_pixels", "the file", count=len(schema)),
        class_samples=_numbers(data, "class_samples", "the file", count=len(schema)),
        shards=shards,
        table=SamplesTable(path.with_name(SAMPLES_NAME), samples, len(schema)),
        label_values=values,
        left_out=tuple(_left_out_from(item) for item in _list(data, "left_out", "the file")),
        made_by=made_by,
    )


def _mpp_from(data: Any) -> float | None:
    mpp = _item(data, "mpp", "the file")
    known = type(mpp) in (int, float) and 0 < mpp < math.inf
    _require(mpp is None or known, f"mpp is {mpp!r}")
    return mpp


def _shard_from(data: Any) -> Shard:
    name = _item(data, "name", "a shard")
    # The reader opens it: it must lie beside the index.
    plain = isinstance(name, str) and name.endswith(".tar") and not set(name) & set("/\\\0:")
    _require(plain, f"a shard is called {name!r}, not like shard-000000.tar")
    sha256 = _item(data, "sha256", name)
    _require(isinstance(sha256, str), f"{name}: sha256 is {sha256!r}")
    numbers = {key: _number(data, key, name) for key in ("size_bytes", "samples", "rows_crc32")}
    return Shard(name=name, sha256=sha256, **numbers)


def _left_out_from(data: Any) -> LeftOut:
    texts = {key: _item(data, key, "left_out") for key in ("shard", "key", "cause")}
    _require(all(isinstance(text, str) for text in texts.values()), f"left_out has {data!r}")
    damaged = data.get("damaged", True)
    _require(isinstance(damaged, bool), f"left_out has {data!r}")
    return LeftOut(**texts, damaged=damaged)


def _item(data: Any, key: str, where: str) -> Any:
    _require(isinstance(data, dict), f"{where} is not an object")
    _require(key in data, f"{where} lacks {key!r}")
    return data[key]


def _list(data: Any, key: str, where: str) -> list[Any]:
    values = _item(data, key, where)
    _require(isinstance(values, list), f"{where}: {key} is not a list")
    return values


def _number(data: Any, key: str, where: str) -> int:
    value = _item(data, key, where)
    _require(_is_number(value), f"{where}: {key} is {value!r}, no whole number from 0 on")
    return value


def _numbers(data: Any, key: str, where: str, *, count: int, least: int = 0) -> tuple[int, ...]:
    values = _list(data, key, where)
    fine = len(values) == count and all(_is_number(value, least) for value in values)
    _require(fine, f"{where}: {key} is not {count} whole numbers from {least} on")
    return tuple(values)


def _pair(data: Any, key: str, where: str, *, least: int = 0) -> tuple[int, int]:
    first, second = _numbers(data, key, where, count=2, least=least)
    return first, second


def _is_number(value: Any, least: int = 0) -> bool:
    return type(value) is int and least <= value <= _LARGEST_NUMBER


def _require(condition: bool, text: str) -> None:
    if not condition:
        raise ValueError(text)
