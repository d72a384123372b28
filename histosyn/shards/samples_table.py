"""`samples.npy`: byte offsets, checksum, group and classes of each sample, one row each.

The table is mapped into memory, not read: ten million samples open in milliseconds, and all
processes of a node share the pages that they touch.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hpc.errors import DatasetError
from hpc.files import atomic_file
from hpc.numpy_files import map_npy
from hpc.records import ClassIndex, Count, Crc32

SAMPLES_NAME = "samples.npy"


@dataclass(frozen=True, kw_only=True)
class Member:
    """A file in a shard: where its data begins, how many bytes it has, and their CRC-32."""

    offset: Count
    size: Count
    crc32: Crc32


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One sample of a shard. `classes` are the indices of the classes that occur in it."""

    key: str
    tile: Member
    label: Member
    group: str | None
    classes: tuple[ClassIndex, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def is_samples_table(path: Path) -> bool:
    """Whether a file is a table of ours, of whichever data set."""
    try:
        rows = map_npy(path)
    except Exception:
        return False
    return isinstance(rows, np.ndarray) and rows.dtype.names == row_type([], 1).names


def row_type(entries: Iterable[Entry], classes: int) -> np.dtype:
    """The narrowest row that holds all `entries` of a schema with so many `classes`."""
    keys = groups = 1
    for entry in entries:
        keys = max(keys, len(entry.key.encode()))
        groups = max(groups, len((entry.group or "").encode()))
    numbers = [
        (f"{member}_{name}", kind)
        for member in ("tile", "label")
        for name, kind in (("offset", "<i8"), ("size", "<u4"), ("crc32", "<u4"))
    ]
    # Classes are a bit each, eight to a byte.
    text = [("key", f"S{keys}"), ("group", f"S{groups}"), ("classes", "u1", (-(-classes // 8),))]
    return np.dtype([*text, *numbers])


def as_rows(entries: Iterable[Entry], kind: np.dtype) -> np.ndarray:
    """The rows (n,) of some entries."""
    rows = [_row(entry, kind["classes"].shape[0]) for entry in entries]
    return np.array(rows, dtype=kind)


def write_table(path: Path, kind: np.dtype, length: int, chunks: Iterable[np.ndarray]) -> None:
    """Write `length` rows that come in chunks, atomically."""
    header = {"descr": np.lib.format.dtype_to_descr(kind), "fortran_order": False,
              "shape": (length,)}  # fmt: skip
    with atomic_file(path) as file:
        np.lib.format.write_array_header_1_0(file, header)
        for chunk in chunks:
            file.write(chunk.tobytes())


class SamplesTable:
    """The rows of `path`, opened on first use; each process opens them for itself."""

    def __init__(self, path: Path, length: int, classes: int) -> None:
        self.path = path
        self.length = length
        self.classes = classes
        self._rows: np.ndarray | None = None

    @property
    def rows(self) -> np.ndarray:
        """All rows; raises DatasetError if the file is not what the index says."""
        if self._rows is None:
            self._rows = self._open()
        return self._rows

    def entry(self, row: int) -> Entry:
        """The sample in a row."""
        # As plain values in one go: field by field it takes four times as long.
        key, group, bits, *numbers = self.rows[row].item()
        present = int.from_bytes(bytes(bits), "little")
        return Entry(
            key=_text(key),
            tile=Member(offset=numbers[0], size=numbers[1], crc32=numbers[2]),
            label=Member(offset=numbers[3], size=numbers[4], crc32=numbers[5]),
            group=_text(group) or None,
            classes=tuple(number for number in range(self.classes) if present >> number & 1),
        )

    def present(self, start: int, stop: int) -> np.ndarray:
        """Which classes occur in the samples of some rows: bool (n, K)."""
        bits = self.rows["classes"][start:stop]
        return np.unpackbits(bits, axis=1, count=self.classes, bitorder="little").astype(bool)

    def groups(self) -> set[str]:
        """The names of all groups."""
        return {_text(name) for name in np.unique(self.rows["group"]) if name}

    def crc32(self, start: int, stop: int) -> int:
        """CRC-32 of some rows."""
        return zlib.crc32(self.rows[start:stop].tobytes())

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_rows": None}

    def _open(self) -> np.ndarray:
        try:
            rows = map_npy(self.path)
        except Exception as error:  # what numpy stumbles over in a damaged header has any type
            raise DatasetError(
                f"{self.path} is missing or damaged ({error}). Copy the data set again, or pack "
                "it anew."
            ) from error
        if not _is_table(rows, row_type([], self.classes)) or len(rows) != self.length:
            raise DatasetError(
                f"{self.path} has rows of another kind or number than dataset.json promises "
                f"({self.length}). Copy both again, or pack anew."
            )
        return rows


def _is_table(rows: Any, wanted: np.dtype) -> bool:
    """Whether the columns are those of `wanted`, but for the width of texts."""
    if not isinstance(rows, np.ndarray) or rows.ndim != 1:
        return False
    kind: Any = rows.dtype
    return kind.names == wanted.names and all(
        kind[name].kind == "S" if name in ("key", "group") else kind[name] == wanted[name]
        for name in kind.names
    )


def _row(entry: Entry, class_bytes: int) -> tuple[Any, ...]:
    present = np.zeros(class_bytes * 8, dtype=bool)
    present[list(entry.classes)] = True
    numbers = [
        getattr(member, name)
        for member in (entry.tile, entry.label)
        for name in ("offset", "size", "crc32")
    ]
    bits = np.packbits(present, bitorder="little")
    return (entry.key.encode(), (entry.group or "").encode(), bits, *numbers)


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")
