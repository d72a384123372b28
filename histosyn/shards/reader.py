"""Reading single samples out of shards by byte offset, trusting neither shard nor index."""

from __future__ import annotations

import os
import zlib
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from histosyn.images.file import opened_image
from histosyn.images.tiles import read_tile, without_remedy
from histosyn.labels.label_map import LabelSchema, read_label_map
from histosyn.shards.index import (
    LABEL_SUFFIX,
    LARGEST_IMAGE_BYTES,
    TILE_SUFFIXES,
    DatasetIndex,
    Shard,
)
from histosyn.shards.samples_table import Entry, Member
from histosyn.shards.tar_header import BLOCK_BYTES, header_fault
from hpc.errors import DatasetError, HistosynError, SampleError

# Shards of two blocks of the shuffle, with room to spare; far below what systems allow.
_MOST_OPEN_FILES = 32
_REMEDY = (
    "Copy the shard again or pack anew; to train without such samples: --data.on-bad-sample skip."
)


@dataclass(frozen=True, kw_only=True)
class RawSample:
    """A sample as it lies in a shard: encoded tile and label map."""

    key: str
    tile: bytes
    label: bytes


class ShardReader:
    """Random access to the samples of a packed folder. Files are opened on first use.

    `folders` are where the shards may lie; the first that has one is read.
    """

    def __init__(self, index: DatasetIndex, *folders: Path) -> None:
        self.index = index
        self.folders = folders
        if not len(index):
            raise DatasetError(f"{folders[-1]} holds no sample. Pack some tiles first.")
        self._descriptors: OrderedDict[int, int] = OrderedDict()
        self._checked_rows: set[int] = set()

    def read(self, shard: int, sample: int) -> tuple[np.ndarray, np.ndarray]:
        """Tile uint8 (H, W, 3) and label map uint8 (H, W) of one sample.

        Raises SampleError naming shard, key and cause if the sample isn't what the index promises,
        DatasetError if the index contradicts itself.
        """
        entry = self._entry(shard, sample)
        try:
            tile = read_tile(
                self._bytes(shard, entry.key, entry.tile, TILE_SUFFIXES), "its tile", intact=True
            )
            labels = self._read_labels(shard, entry)
            self._check_size(tile, labels)
        except _FaultError as fault:
            raise self._error(shard, entry, str(fault)) from fault
        except (HistosynError, MemoryError) as error:
            cause = without_remedy(error) or "not enough memory for it"
            raise self._error(shard, entry, cause) from error
        return tile, labels

    def raw(self, shard: int, sample: int) -> RawSample:
        """The encoded files of one sample, their checksums compared; raises as `read`."""
        entry = self._entry(shard, sample)
        try:
            tile = self._bytes(shard, entry.key, entry.tile, TILE_SUFFIXES)
            label = self._bytes(shard, entry.key, entry.label, (LABEL_SUFFIX,))
        except _FaultError as fault:
            raise self._error(shard, entry, str(fault)) from fault
        return RawSample(key=entry.key, tile=tile, label=label)

    def labels(self, shard: int, sample: int) -> np.ndarray:
        """The label map alone, uint8 (H, W); raises as `read`."""
        entry = self._entry(shard, sample)
        try:
            return self._read_labels(shard, entry)
        except _FaultError as fault:
            raise self._error(shard, entry, str(fault)) from fault
        except (HistosynError, MemoryError) as error:
            cause = without_remedy(error) or "not enough memory for it"
            raise self._error(shard, entry, cause) from error

    def label_file(self, shard: int, sample: int) -> bytes:
        """The encoded label map alone, its checksum compared; raises as `read`."""
        entry = self._entry(shard, sample)
        try:
            return self._bytes(shard, entry.key, entry.label, (LABEL_SUFFIX,))
        except _FaultError as fault:
            raise self._error(shard, entry, str(fault)) from fault

    def check_shards(self) -> None:
        """Look at the size of every shard; raises DatasetError for the first that has another.

        What is missing is told before the training starts, not after hours.
        """
        for number, shard in enumerate(self.index.shards):
            path = self._path(number)
            try:
                size = path.stat().st_size
            except OSError as error:
                raise DatasetError(_cannot_be_opened(path, shard, error)) from error
            if size != shard.size_bytes:
                raise DatasetError(
                    f"{path} has {size} bytes, but {shard.size_bytes} according to the index"
                    f"{self._first_lost(number, size)}. {_REMEDY}"
                )

    def __getstate__(self) -> dict[str, object]:
        """Loader workers get the index, and open the files themselves."""
        return self.__dict__ | {"_descriptors": OrderedDict()}

    def __del__(self) -> None:
        for descriptor in getattr(self, "_descriptors", {}).values():
            os.close(descriptor)

    def _entry(self, shard: int, sample: int) -> Entry:
        if shard not in self._checked_rows:
            self.index.check_rows(shard)
            self._checked_rows.add(shard)
        return self.index.entry(shard, sample)

    def _error(self, shard: int, entry: Entry, cause: str) -> SampleError:
        path = self._path(shard)
        staged = path.parent != self.folders[-1]
        remedy = "Remove this copy: it is made again when training starts." if staged else _REMEDY
        return SampleError(shard=str(path), key=entry.key, cause=cause, remedy=remedy)

    def _read_labels(self, shard: int, entry: Entry) -> np.ndarray:
        data = self._bytes(shard, entry.key, entry.label, (LABEL_SUFFIX,))
        schema, name = self.index.schema, "its label map"
        if self.index.label_values == "colours":
            return read_label_map(data, schema, name=name)
        with opened_image(data, name, intact=True) as image:
            labels = np.array(image, dtype=np.uint8)
        if labels.ndim != 2:
            raise _FaultError(f"{name} has mode {image.mode}, not class indices")
        _check_values(labels, schema)
        return labels

    def _check_size(self, tile: np.ndarray, labels: np.ndarray) -> None:
        if tile.shape[:2] != labels.shape or labels.shape != self.index.tile_size:
            texts = [
                f"{width}x{height}"
                for height, width in (tile.shape[:2], labels.shape, self.index.tile_size)
            ]
            raise _FaultError(
                f"its tile has {texts[0]} pixels, its label map {texts[1]} and the data set "
                f"{texts[2]}"
            )

    def _bytes(self, shard: int, key: str, member: Member, suffixes: tuple[str, ...]) -> bytes:
        """The data of a member, after a look at the tar header in front of it."""
        start, end = member.offset - BLOCK_BYTES, member.offset + member.size
        descriptor = self._descriptor(shard)
        try:
            # A size beyond the file is refused before as much memory is asked for; that of a pipe
            # or device, which may have no end, is 0.
            size = os.fstat(descriptor).st_size
            fits = 0 <= start < end <= size and member.size <= LARGEST_IMAGE_BYTES
            data = os.pread(descriptor, end - start, start) if fits else b""
        except OSError as error:
            raise _FaultError(f"it cannot be read ({error.strerror})") from error
        if len(data) != end - start:
            raise _FaultError(
                f"its .{suffixes[0]} should lie at bytes {member.offset} to {end}, but the shard "
                f"has {size}: cut short, or another shard than the indexed one"
            )
        header, data = data[:BLOCK_BYTES], data[BLOCK_BYTES:]
        fault = header_fault(header, key, suffixes, member.size)
        if fault:
            raise _FaultError(fault)
        if zlib.crc32(data) != member.crc32:
            raise _FaultError(
                f"the bytes of its .{suffixes[0]} are not those that were indexed (CRC-32)"
            )
        return data

    def _descriptor(self, shard: int) -> int:
        if shard in self._descriptors:
            self._descriptors.move_to_end(shard)
            return self._descriptors[shard]
        path = self._path(shard)
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as error:
            raise _FaultError(f"the shard cannot be opened ({error.strerror})") from error
        self._descriptors[shard] = descriptor
        if len(self._descriptors) > _MOST_OPEN_FILES:
            os.close(self._descriptors.popitem(last=False)[1])
        return descriptor

    def _path(self, shard: int) -> Path:
        name = self.index.shards[shard].name
        paths = [folder / name for folder in self.folders]
        return next((path for path in paths[:-1] if path.exists()), paths[-1])

    def _first_lost(self, number: int, size: int) -> str:
        for entry in self.index.entries(number):
            if (
                max(entry.tile.offset + entry.tile.size, entry.label.offset + entry.label.size)
                > size
            ):
                return f", so sample {entry.key} and what follows it are lost"
        return ""


class _FaultError(Exception):
    """Why a sample cannot be used; becomes a SampleError, which also says which and where."""


def _check_values(labels: np.ndarray, schema: LabelSchema) -> None:
    if int(labels.max()) < len(schema) or schema.allowed[labels].all():
        return
    values, counts = np.unique(labels[~schema.allowed[labels]], return_counts=True)
    raise _FaultError(
        f"its label map has value {values[0]} ({counts[0]} pixels), which schema {schema.name} "
        f"does not know (0 to {len(schema) - 1})"
    )


def _cannot_be_opened(path: Path, shard: Shard, error: OSError) -> str:
    return f"{path} with {shard.samples} samples cannot be opened ({error.strerror}). {_REMEDY}"
