"""Reading single samples out of shards by byte offset."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from histosyn.images import opened_image, read_tile
from histosyn.shards.index import DatasetIndex, Entry, load_index
from hpc.errors import DatasetError


class ShardReader:
    """Random access to the samples of a packed folder. Files are opened on first use and kept."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.index: DatasetIndex = load_index(folder)
        if not len(self.index):
            raise DatasetError(f"{folder} holds no sample. Pack some tiles first.")
        self._descriptors: dict[int, int] = {}

    def read(self, shard: int, sample: int) -> tuple[np.ndarray, np.ndarray]:
        """Tile uint8 (H, W, 3) and label map uint8 (H, W) of one sample.

        Raises DatasetError naming shard and key if the sample isn't what the index promises.
        """
        entry = self.index.shards[shard].entries[sample]
        name = f"{self.folder / self.index.shards[shard].name}: {entry.key}"
        tile = read_tile(self._bytes(shard, entry.tile, name), f"{name} (tile)")
        labels = self._read_labels(shard, entry, name)
        if tile.shape[:2] != labels.shape or labels.shape != self.index.tile_size:
            raise DatasetError(
                f"{name}: tile {tile.shape[:2]}, label map {labels.shape} and data set "
                f"{self.index.tile_size} differ in size. Pack the data set again."
            )
        return tile, labels

    def __getstate__(self) -> dict[str, object]:
        """Loader workers get the index, and open the files themselves."""
        return self.__dict__ | {"_descriptors": {}}

    def __del__(self) -> None:
        for descriptor in getattr(self, "_descriptors", {}).values():
            os.close(descriptor)

    def _read_labels(self, shard: int, entry: Entry, name: str) -> np.ndarray:
        name = f"{name} (label map)"
        with opened_image(self._bytes(shard, entry.label, name), name) as image:
            labels = np.array(image, dtype=np.uint8)
        allowed = self.index.schema.allowed
        if labels.ndim != 2 or not allowed[labels].all():
            raise DatasetError(
                f"{name} holds values outside schema {self.index.schema.name}. "
                "Pack the data set again."
            )
        return labels

    def _bytes(self, shard: int, place: tuple[int, int], name: str) -> bytes:
        offset, size = place
        descriptor = self._descriptor(shard)
        try:
            # A size beyond the file is refused before as much memory is asked for.
            fits = offset + size <= os.fstat(descriptor).st_size
            data = os.pread(descriptor, size, offset) if fits else b""
        except OSError as error:
            raise DatasetError(
                f"{name} cannot be read ({error.strerror}). Copy it again."
            ) from error
        if not fits or len(data) != size:
            raise DatasetError(f"{name}: the shard ends too early. Pack or copy it again.")
        return data

    def _descriptor(self, shard: int) -> int:
        if shard not in self._descriptors:
            path = self.folder / self.index.shards[shard].name
            try:
                self._descriptors[shard] = os.open(path, os.O_RDONLY)
            except OSError as error:
                raise DatasetError(
                    f"{path} cannot be opened ({error.strerror}). Copy or pack it again."
                ) from error
        return self._descriptors[shard]
