"""`ShardStream`: global batches as a pure function of (data set, seed, global batch size).

A torch DataLoader does the reading. Its items are whole batches and its sampler is a range of batch
numbers, so starting at batch t costs nothing, and neither the number of loader workers nor that of
ranks changes what a batch holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from typing import Literal

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from histosyn.shards.augment import Augmentation, augmentation_key
from histosyn.shards.batch import BadSample, Batch
from histosyn.shards.oversampling import EachOnce, EpochSampling, OversampleRareClasses
from histosyn.shards.reader import ShardReader
from histosyn.shards.sample_order import OrderedSample, SampleOrder
from histosyn.shards.worker_transfer import PinnedAfterPipe, Piped, Receiver, send
from hpc.errors import ConfigError, HistosynError, SampleError
from hpc.packed_integers import PackedIntegers
from hpc.parallel import IN_A_SCRIPT, end_with_parent, kill_at_exit
from hpc.preemption import signals_blocked
from hpc.shared_memory import starting_processes
from hpc.socket_folder import keep_sockets_short
from hpc.topology import Topology

OnBadSample = Literal["error", "skip"]
# Of the label maps (N, H, W) of a batch.
Find = Callable[[torch.Tensor], PackedIntegers]
_Sent = Batch | Piped | PinnedAfterPipe | HistosynError
# Batches that each worker may have ready: what bounds the memory of loading.
_PREFETCHED_BATCHES = 2
# How long it may take until the end of a process is known.
_DYING_SECONDS = 0.5
# If so many substitutes in a row are bad too, the data set is.
_MOST_SUBSTITUTES = 16


class ShardStream:
    """An endless stream of batches, starting wherever asked.

    `global_batch` samples are shared by all ranks of `topology`, evenly; each rank iterates over
    its own part. Every sample comes once an epoch; the last, partial batch of an epoch is filled
    from the next one. With `rare_class_threshold`, samples with classes that occur in a smaller
    share of the samples come more often (see `OversampleRareClasses`); `draws` says it all itself.
    Tiles and label maps are flipped and turned if `augmented`, and cut to random squares of `crop`
    pixels; `stain_jitter`, in [0, 1), is the most by which each stain changes, as a share.

    `find`, run where a batch is read, makes its `Batch.tables` of its label maps; it is pickled.

    A sample that cannot be used is an error, or with `on_bad_sample="skip"` replaced by another of
    its epoch, the same one wherever and whenever this batch is read.
    """

    def __init__(
        self,
        reader: ShardReader,
        *,
        global_batch: int,
        seed: int,
        topology: Topology | None = None,
        crop: int | None = None,
        augmented: bool = True,
        stain_jitter: float = 0.0,
        rare_class_threshold: float | None = None,
        draws: EpochSampling | None = None,
        on_bad_sample: OnBadSample = "error",
        workers: int = 0,
        find: Find | None = None,
    ) -> None:
        self.reader = reader
        self.index = reader.index
        self.workers = workers
        self.global_batch = global_batch
        if crop is not None and crop > min(self.index.tile_size):
            raise ConfigError(
                f"data.crop = {crop} is larger than the packed tiles "
                f"({'x'.join(map(str, self.index.tile_size))} pixels). "
                "Choose a smaller crop or pack larger tiles."
            )
        draws = draws or _draws(reader, rare_class_threshold, seed)
        self.order = SampleOrder(draws, seed)
        self._batches = _Batches(
            reader,
            draws=draws,
            positions=(topology or Topology()).share(global_batch),
            global_batch=global_batch,
            seed=seed,
            augmentation=Augmentation(crop=crop, oriented=augmented, stain_jitter=stain_jitter),
            on_bad_sample=on_bad_sample,
            find=find,
        )

    def batches(self, start: int = 0) -> Iterator[Batch]:
        """Batches `start`, `start` + 1, ... without end.

        Raises SampleError or DatasetError for damaged data, HistosynError if a worker dies.
        """
        loader = DataLoader(
            self._batches,
            batch_size=None,
            sampler=_From(start),
            num_workers=self.workers,
            prefetch_factor=_PREFETCHED_BATCHES if self.workers else None,
            pin_memory=torch.cuda.is_available(),
            # The default, fork, copies locks that other threads may hold at that moment.
            multiprocessing_context="forkserver" if self.workers else None,
            worker_init_fn=end_with_parent,
        )
        if self.workers:
            keep_sockets_short()
        with signals_blocked(), starting_processes("--data.workers 0"):
            batches = iter(loader)
        # An error that ends the process may still hold them, by its traceback.
        kill_at_exit(batches, getattr(batches, "_workers", []))
        receive = Receiver()
        for item in _told_of_dead_workers(batches):
            if isinstance(item, HistosynError):
                raise item
            yield receive(item)

    def shards_for(self, first_batch: int, last_batch: int) -> set[int]:
        """The shards that batches `first_batch` to `last_batch` - 1 are read from."""
        return self.order.shards_between(
            first_batch * self.global_batch, last_batch * self.global_batch
        )


class _Batches(Dataset[Batch | Piped | HistosynError]):
    """Batch number -> this rank's part of that global batch.

    An error of ours is returned, not raised: the loader would wrap it into a traceback.
    """

    def __init__(
        self,
        reader: ShardReader,
        *,
        draws: EpochSampling,
        positions: range,
        global_batch: int,
        seed: int,
        augmentation: Augmentation,
        on_bad_sample: OnBadSample,
        find: Find | None,
    ) -> None:
        self.reader = reader
        self.find = find
        self.draws = draws
        self.positions = positions
        self.global_batch = global_batch
        self.seed = seed
        self.augmentation = augmentation
        self.on_bad_sample = on_bad_sample
        self._order: SampleOrder | None = None

    def __getitem__(self, number: int) -> Batch | Piped | HistosynError:
        try:
            return send(self._batch(number))
        except HistosynError as error:
            return error

    def __getstate__(self) -> dict[str, object]:
        return self.__dict__ | {"_order": None}

    @property
    def order(self) -> SampleOrder:
        """Made anew in each process: its caches don't travel."""
        self._order = self._order or SampleOrder(self.draws, self.seed)
        return self._order

    def _batch(self, number: int) -> Batch:
        bad: list[BadSample] = []
        samples = [
            self._sample(number * self.global_batch + position, bad) for position in self.positions
        ]
        tiles, labels, keys = zip(*samples, strict=True)
        labels_NHW = torch.from_numpy(np.stack(labels))
        return Batch(
            number=number,
            tiles_NCHW=torch.from_numpy(np.stack(tiles)).permute(0, 3, 1, 2).contiguous(),
            labels_NHW=labels_NHW,
            positions_N=torch.arange(self.positions.start, self.positions.stop),
            keys=list(keys),
            bad=tuple(bad),
            tables=None if self.find is None else self.find(labels_NHW),
        )

    def _sample(self, position: int, bad: list[BadSample]) -> tuple[np.ndarray, np.ndarray, str]:
        drawn, sample_key, tile, labels = self._first_usable(position, bad)
        key = augmentation_key(self.seed, drawn.epoch, sample_key, drawn.repeat)
        return *self.augmentation(tile, labels, key=key), sample_key

    def _first_usable(
        self, position: int, bad: list[BadSample]
    ) -> tuple[OrderedSample, str, np.ndarray, np.ndarray]:
        """The drawn sample, its key, the tile and the label map that this position shows."""
        drawn = self.order.sample_at(position)
        faults: list[SampleError] = []
        for attempt in range(_MOST_SUBSTITUTES + 1):
            try:
                pair = self.reader.read(drawn.shard, drawn.sample)
            except SampleError as error:
                if self.on_bad_sample == "error":
                    raise
                faults.append(error)
                drawn = self.order.substitute(position, attempt)
            else:
                key = self.reader.index.entry(drawn.shard, drawn.sample).key
                bad += [_bad_sample(fault, key) for fault in faults]
                return drawn, key, *pair
        raise HistosynError(
            f"{faults[0]} Nor can {_MOST_SUBSTITUTES} others that should replace it be used: too "
            "much of the data set is damaged."
        ) from faults[0]


class _From(Sampler[int]):
    """Batch numbers from `start` on, without end."""

    def __init__(self, start: int) -> None:
        self.start = start

    def __iter__(self) -> Iterator[int]:
        return count(self.start)


def _draws(reader: ShardReader, rare_class_threshold: float | None, seed: int) -> EpochSampling:
    if rare_class_threshold is None:
        return EachOnce([shard.samples for shard in reader.index.shards])
    return OversampleRareClasses(reader.index, threshold=rare_class_threshold, seed=seed)


def _bad_sample(fault: SampleError, replaced_by: str) -> BadSample:
    return BadSample(shard=fault.shard, key=fault.key, cause=fault.cause, replaced_by=replaced_by)


def _told_of_dead_workers(
    items: Iterator[_Sent],
) -> Iterator[_Sent]:
    """The items. When a worker dies, what the loader raises for it becomes a sentence.

    The loader notices (RuntimeError), or the tensors of a batch cannot be fetched from it any more.
    """
    try:
        yield from items
    except (RuntimeError, OSError, EOFError) as error:
        workers = getattr(items, "_workers", [])
        dead = [
            worker for worker in workers if worker.join(_DYING_SECONDS) or not worker.is_alive()
        ]
        if not dead:
            raise
        who = ", ".join(f"{worker.pid}, exit code {worker.exitcode}" for worker in dead)
        raise HistosynError(
            f"A loader worker was killed (process {who}). Most often memory ran out: ask for more, "
            "or lower data.workers or data.global_batch. Then run the same command again. "
            f"{IN_A_SCRIPT}"
        ) from error
