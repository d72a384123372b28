"""`ShardStream`: global batches as a pure function of (data set, seed, global batch size).

A torch DataLoader does the reading. Its items are whole batches and its sampler is a range of batch
numbers, so starting at batch t costs nothing, and neither the number of loader workers nor that of
ranks changes what a batch holds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from histosyn.shards.augment import augmentation_key, random_crop, random_orientation
from histosyn.shards.order import SampleOrder
from histosyn.shards.reader import ShardReader
from hpc.errors import ConfigError, HistosynError
from hpc.topology import Topology


@dataclass(frozen=True, kw_only=True)
class Batch:
    """One rank's part of a global batch.

    `tiles_NCHW` is uint8, `labels_NHW` uint8 class indices; `positions_N` says where in the global
    batch each sample stands: what random numbers are keyed by. `keys` are the samples' names.
    """

    number: int
    tiles_NCHW: torch.Tensor
    labels_NHW: torch.Tensor
    positions_N: torch.Tensor
    keys: list[str]

    def pin_memory(self) -> Batch:
        """The same batch in page-locked memory, from which a GPU copies without waiting."""
        return replace(
            self, tiles_NCHW=self.tiles_NCHW.pin_memory(), labels_NHW=self.labels_NHW.pin_memory()
        )


class ShardStream:
    """An endless stream of batches, starting wherever asked.

    `global_batch` samples are shared by all ranks of `topology`, evenly; each rank iterates over
    its own part. Every sample comes once an epoch; the last, partial batch of an epoch is filled
    from the next one.
    """

    def __init__(
        self,
        folder: Path,
        *,
        global_batch: int,
        seed: int,
        topology: Topology | None = None,
        crop: int | None = None,
        augmented: bool = True,
        workers: int = 0,
    ) -> None:
        self.workers = workers
        self._batches = _Batches(
            ShardReader(folder),
            positions=(topology or Topology()).share(global_batch),
            global_batch=global_batch,
            seed=seed,
            crop=crop,
            augmented=augmented,
        )
        self.reader = self._batches.reader
        self.index = self.reader.index
        if crop is not None and crop > min(self.index.tile_size):
            raise ConfigError(
                f"data.crop = {crop} is larger than the packed tiles "
                f"({'x'.join(map(str, self.index.tile_size))} pixels). "
                "Choose a smaller crop or pack larger tiles."
            )

    def batches(self, start: int = 0) -> Iterator[Batch]:
        """Batches `start`, `start` + 1, ... without end."""
        loader = DataLoader(
            self._batches,
            batch_size=None,
            sampler=_From(start),
            num_workers=self.workers,
            prefetch_factor=2 if self.workers else None,
            pin_memory=torch.cuda.is_available(),
            # The default, fork, copies locks that other threads may hold at that moment.
            multiprocessing_context="forkserver" if self.workers else None,
        )
        for item in loader:
            if isinstance(item, HistosynError):
                raise item
            yield item


class _Batches(Dataset[Batch | HistosynError]):
    """Batch number -> this rank's part of that global batch.

    An error of ours is returned, not raised: the loader would wrap it into a traceback.
    """

    def __init__(
        self,
        reader: ShardReader,
        *,
        positions: range,
        global_batch: int,
        seed: int,
        crop: int | None,
        augmented: bool,
    ) -> None:
        self.reader = reader
        self.positions = positions
        self.global_batch = global_batch
        self.seed = seed
        self.crop = crop
        self.augmented = augmented
        self.shard_sizes = tuple(len(shard.entries) for shard in reader.index.shards)
        self._order: SampleOrder | None = None

    def __getitem__(self, number: int) -> Batch | HistosynError:
        try:
            return self._batch(number)
        except HistosynError as error:
            return error

    def _batch(self, number: int) -> Batch:
        samples = [
            self._sample(number * self.global_batch + position) for position in self.positions
        ]
        tiles, labels, keys = zip(*samples, strict=True)
        return Batch(
            number=number,
            tiles_NCHW=torch.from_numpy(np.stack(tiles)).permute(0, 3, 1, 2).contiguous(),
            labels_NHW=torch.from_numpy(np.stack(labels)),
            positions_N=torch.arange(self.positions.start, self.positions.stop),
            keys=list(keys),
        )

    def __getstate__(self) -> dict[str, object]:
        return self.__dict__ | {"_order": None}

    def _sample(self, position: int) -> tuple[np.ndarray, np.ndarray, str]:
        self._order = self._order or SampleOrder(self.shard_sizes, self.seed)
        place = self._order.place(position)
        tile, labels = self.reader.read(place.shard, place.sample)
        sample_key = self.reader.index.shards[place.shard].entries[place.sample].key
        key = augmentation_key(self.seed, place.epoch, sample_key)
        if self.crop is not None:
            tile, labels = random_crop(tile, labels, key=key, crop=self.crop)
        if self.augmented:
            tile, labels = random_orientation(tile, labels, key=key)
        return tile, labels, sample_key


class _From(Sampler[int]):
    """Batch numbers from `start` on, without end."""

    def __init__(self, start: int) -> None:
        self.start = start

    def __iter__(self) -> Iterator[int]:
        return count(self.start)
