"""In which order samples are seen: a pure function of (data set, seed, position).

The endless sequence of positions runs through epoch after epoch, each a shuffle of all samples, so
a batch that an epoch's end cuts short is filled from the next epoch. Shuffling keeps reads local:
shards are permuted, then samples are shuffled within blocks of a few shards.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate

import numpy as np

from hpc.randomness import key_of, permutation

SHARDS_PER_BLOCK = 8


@dataclass(frozen=True, kw_only=True)
class Place:
    """One sample of the sequence: which epoch, and which sample of which shard."""

    epoch: int
    shard: int
    sample: int


class SampleOrder:
    """The endless sequence of samples for shards of the given sizes.

    Finding the sample of any position costs one block's shuffle at most, however far along it is.
    """

    def __init__(self, shard_sizes: tuple[int, ...], seed: int) -> None:
        self.shard_sizes = shard_sizes
        self.seed = seed
        self.samples = sum(shard_sizes)
        self._blocks_of = lru_cache(maxsize=4)(self._make_blocks)
        self._block = lru_cache(maxsize=8)(self._make_block)

    def place(self, position: int) -> Place:
        """The sample at `position` (0, 1, ...) of the endless sequence."""
        epoch, offset = divmod(position, self.samples)
        _, starts = self._blocks_of(epoch)
        block = bisect_right(starts, offset) - 1
        shard, sample = self._block(epoch, block)[offset - starts[block]]
        return Place(epoch=epoch, shard=int(shard), sample=int(sample))

    def _make_blocks(self, epoch: int) -> tuple[list[np.ndarray], list[int]]:
        """The epoch's blocks as arrays of shard numbers, and the offset at which each starts."""
        shards = permutation(key_of(self.seed, "shards", epoch), len(self.shard_sizes))
        blocks = [
            shards[start : start + SHARDS_PER_BLOCK]
            for start in range(0, len(shards), SHARDS_PER_BLOCK)
        ]
        sizes = [sum(self.shard_sizes[shard] for shard in block) for block in blocks]
        return blocks, list(accumulate(sizes, initial=0))[:-1]

    def _make_block(self, epoch: int, block: int) -> np.ndarray:
        """The shuffled (shard, sample) pairs of one block, (n, 2)."""
        blocks, _ = self._blocks_of(epoch)
        pairs = np.concatenate(
            [
                np.stack([np.full(size, shard), np.arange(size)], axis=1)
                for shard in blocks[block]
                if (size := self.shard_sizes[shard])
            ]
        )
        return pairs[permutation(key_of(self.seed, "block", epoch, block), len(pairs))]
