"""The shuffled order of samples: a pure function of (data set, seed, position).

The endless sequence of positions runs through epoch after epoch, each a shuffle of what it draws,
so a batch that an epoch's end cuts short is filled from the next epoch. Shuffling keeps reads
local: shards are permuted, then samples are shuffled within blocks of a few shards.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from histosyn.shards.oversampling import EpochSampling
from hpc.randomness import integers, key_of, permutation

SHARDS_PER_BLOCK = 8


@dataclass(frozen=True, kw_only=True)
class OrderedSample:
    """One sample of the sequence: which epoch, which sample of which shard.

    `repeat` counts how often the epoch has drawn the same sample elsewhere: 0 for the first.
    """

    epoch: int
    shard: int
    sample: int
    repeat: int


class SampleOrder:
    """The endless sequence of what `draws` takes from each shard, epoch by epoch.

    Finding the sample of any position costs one block's shuffle at most, however far along it is.
    """

    def __init__(self, draws: EpochSampling, seed: int) -> None:
        self.draws = draws
        self.seed = seed
        self._epoch = lru_cache(maxsize=4)(self._make_epoch)
        self._block = lru_cache(maxsize=8)(self._make_block)

    def sample_at(self, position: int) -> OrderedSample:
        """The sample at `position` (0, 1, ...) of the endless sequence."""
        epoch, offset = divmod(position, self.draws.epoch_size)
        _, starts = self._epoch(epoch)
        block = int(np.searchsorted(starts, offset, side="right")) - 1
        shard, sample, repeat = self._block(epoch, block)[offset - starts[block]].tolist()
        return OrderedSample(epoch=epoch, shard=shard, sample=sample, repeat=repeat)

    def substitute(self, position: int, attempt: int) -> OrderedSample:
        """Another sample of the same epoch for a position whose own cannot be used."""
        size = self.draws.epoch_size
        key = key_of(self.seed, "substitute", position)
        return self.sample_at(
            position // size * size + int(integers(key, np.array([attempt]), size)[0])
        )

    def shards_between(self, first: int, last: int) -> set[int]:
        """The shards whose blocks the positions `first` to `last` - 1 touch."""
        size = self.draws.epoch_size
        touched: set[int] = set()
        if first == last:
            return touched
        for epoch in range(first // size, -(-last // size)):
            blocks, starts = self._epoch(epoch)
            begin, end = max(first - epoch * size, 0), min(last - epoch * size, size)
            inside = slice(np.searchsorted(starts, begin, side="right") - 1,
                           np.searchsorted(starts, end, side="left"))  # fmt: skip
            touched |= {int(shard) for block in blocks[inside] for shard in block}
            if len(touched) == len(self.draws.numbers(epoch)):
                break
        return touched

    def _make_epoch(self, epoch: int) -> tuple[list[np.ndarray], np.ndarray]:
        """The epoch's blocks as arrays of shard numbers, and the offset at which each starts."""
        numbers = self.draws.numbers(epoch)
        shards = permutation(key_of(self.seed, "shards", epoch), len(numbers))
        blocks = [
            shards[start : start + SHARDS_PER_BLOCK]
            for start in range(0, len(shards), SHARDS_PER_BLOCK)
        ]
        sizes = [int(numbers[block].sum()) for block in blocks]
        return blocks, np.cumsum([0, *sizes])[:-1]

    def _make_block(self, epoch: int, block: int) -> np.ndarray:
        """The shuffled (shard, sample, repeat) triples of one block, (n, 3)."""
        blocks, _ = self._epoch(epoch)
        triples = np.concatenate([self._triples(epoch, int(shard)) for shard in blocks[block]])
        return triples[permutation(key_of(self.seed, "block", epoch, block), len(triples))]

    def _triples(self, epoch: int, shard: int) -> np.ndarray:
        samples = self.draws.samples(epoch, shard)
        first = np.searchsorted(samples, samples)
        repeats = np.arange(len(samples)) - first
        return np.stack([np.full(len(samples), shard), samples, repeats], axis=1)
