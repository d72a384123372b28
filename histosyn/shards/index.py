"""The index of a folder of shards: samples, byte offsets, class counts, how it was made."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np

from histosyn.labels.label_map import LabelSchema
from histosyn.shards.samples_table import Entry, SamplesTable
from hpc.errors import DatasetError
from hpc.files import sha256_of_bytes
from hpc.records import Count, Crc32, FileName, TarName, Text

INDEX_NAME = "dataset.json"
TILE_SUFFIXES = ("tile.png", "tile.jpg", "tile.jpeg")
LABEL_SUFFIX = "label.png"
FACTS_SUFFIX = "json"
# A tile of as many pixels as are read at all, not even compressed.
LARGEST_IMAGE_BYTES = 512 << 20

LabelValues = Literal["indices", "colours"]


@dataclass(frozen=True, kw_only=True)
class Shard:
    """One tar file: its checksum, its bytes, its number of samples and the CRC-32 of their rows."""

    name: TarName
    sha256: Text
    size_bytes: Count
    samples: Count
    rows_crc32: Crc32


@dataclass(frozen=True, kw_only=True)
class ShardRecord:
    """What is known of a shard once it is written: enough to index it. `class_pixels` is (K,)."""

    name: FileName
    sha256: Text
    size_bytes: Count
    entries: tuple[Entry, ...]
    class_pixels: tuple[Count, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """A sample (or a place in a shard) that could not be indexed, and why.

    `damaged` is False of what is whole, but not named, paired or kept as a sample is.
    """

    shard: str
    key: str
    cause: str
    damaged: bool = True


@dataclass(frozen=True, kw_only=True)
class DatasetIndex:
    """The content of `dataset.json`.

    `tile_size` is (height, width) in pixels, the same for all samples; `mpp` is microns per pixel
    where known; `class_pixels` counts pixels a class, `class_samples` samples in which it occurs,
    both (K,). `label_values` says what the label maps in the shards hold.
    """

    schema: LabelSchema
    tile_size: tuple[int, int]
    mpp: float | None
    class_pixels: tuple[int, ...]
    class_samples: tuple[int, ...]
    shards: tuple[Shard, ...]
    table: SamplesTable = field(repr=False, compare=False)
    label_values: LabelValues = "indices"
    left_out: tuple[LeftOut, ...] = ()
    made_by: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return int(self.starts[-1])

    @cached_property
    def starts(self) -> np.ndarray:
        """The row at which each shard's samples start, and the number of rows: int64 (S + 1,)."""
        return np.cumsum([0, *(shard.samples for shard in self.shards)])

    @cached_property
    def identity(self) -> str:
        """What tells one data set from another: a digest of the schema and of all samples."""
        facts = [self.schema.as_dict(), self.tile_size, self.label_values]
        rows = [(shard.sha256, shard.samples, shard.rows_crc32) for shard in self.shards]
        return sha256_of_bytes(json.dumps([facts, rows]).encode())

    def place(self, row: int) -> tuple[int, int]:
        """The shard in which a row of the table lies, and which of its samples that is."""
        shard = int(np.searchsorted(self.starts, row, side="right")) - 1
        return shard, row - int(self.starts[shard])

    def entry(self, shard: int, sample: int) -> Entry:
        """A sample of a shard, both by number."""
        return self.table.entry(int(self.starts[shard]) + sample)

    def entries(self, shard: int) -> Iterator[Entry]:
        """All samples of a shard."""
        return (self.entry(shard, sample) for sample in range(self.shards[shard].samples))

    def present(self, shard: int) -> np.ndarray:
        """Which classes occur in the samples of a shard: bool (n, K)."""
        return self.table.present(int(self.starts[shard]), int(self.starts[shard + 1]))

    def check_rows(self, shard: int) -> None:
        """Raise DatasetError if a shard's rows in the table are not those that were written."""
        crc32 = self.table.crc32(int(self.starts[shard]), int(self.starts[shard + 1]))
        if crc32 != self.shards[shard].rows_crc32:
            raise DatasetError(
                f"{self.table.path}: the rows of {self.shards[shard].name} are damaged or belong "
                f"to another {INDEX_NAME}. Copy both files again, or pack the data set anew."
            )
