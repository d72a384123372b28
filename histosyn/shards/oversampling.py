"""Sampling of an epoch: every sample once, a subset, or rare classes oversampled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from histosyn.shards.index import DatasetIndex
from hpc.randomness import key_of, uniform


class EpochSampling(Protocol):
    """Which samples of each shard an epoch shows, before they are shuffled."""

    epoch_size: int

    def numbers(self, epoch: int) -> np.ndarray:
        """How many samples the epoch takes from each shard: int64 (S,), summing to epoch_size."""

    def samples(self, epoch: int, shard: int) -> np.ndarray:
        """The samples it takes from one shard, ascending; repeated ones stand side by side."""


class EachOnce:
    """Every sample once an epoch."""

    def __init__(self, shard_sizes: Sequence[int]) -> None:
        self._sizes = np.array(shard_sizes, dtype=np.int64)
        self.epoch_size = int(self._sizes.sum())

    def numbers(self, epoch: int) -> np.ndarray:
        """All samples of each shard."""
        return self._sizes

    def samples(self, epoch: int, shard: int) -> np.ndarray:
        """All samples of the shard."""
        return np.arange(self._sizes[shard])


class Subset:
    """Some samples once an epoch: the `rows` of an index, at least one; the others never."""

    def __init__(self, index: DatasetIndex, rows: np.ndarray) -> None:
        self._starts = index.starts
        self._rows = np.unique(rows)
        self._bounds = np.searchsorted(self._rows, self._starts)
        self.epoch_size = len(self._rows)

    def numbers(self, epoch: int) -> np.ndarray:
        """How many chosen ones each shard has."""
        return np.diff(self._bounds)

    def samples(self, epoch: int, shard: int) -> np.ndarray:
        """The chosen ones of the shard."""
        chosen = slice(self._bounds[shard], self._bounds[shard + 1])
        return self._rows[chosen] - self._starts[shard]


class OversampleRareClasses:
    """Every sample at least once an epoch, those with rare classes more often.

    A class that occurs in a share f of the samples has the repeat factor max(1, sqrt(t / f)), and a
    sample that of its rarest class (Gupta et al., LVIS, CVPR 2019, section 4.2); t is `threshold`.
    A factor of 2.3 means two or three times, in 70 and 30 % of the epochs, by systematic sampling:
    the samples lie on a line, each as long as its factor, and an epoch takes those at which points
    of a grid of step 1 lie, whose start is drawn for each epoch.
    """

    def __init__(self, index: DatasetIndex, *, threshold: float, seed: int) -> None:
        self.index = index
        self.seed = seed
        shares = np.maximum(index.class_samples, 1) / len(index)
        self._factor_of_class = np.maximum(1.0, np.sqrt(threshold / shares))
        lengths = [self._factors(shard).sum() for shard in range(len(index.shards))]
        self._starts = np.cumsum([0.0, *lengths])
        self.epoch_size = int(np.ceil(self._starts[-1]))

    def numbers(self, epoch: int) -> np.ndarray:
        """How many points of the grid fall into each shard."""
        return np.diff(self._points_before(epoch, self._starts))

    def samples(self, epoch: int, shard: int) -> np.ndarray:
        """The samples of the shard at which points of the grid lie."""
        factors = self._factors(shard)
        if not len(factors):
            return np.arange(0)
        ends = self._starts[shard] + np.cumsum(factors)
        # Rounding must not move a point from one shard to the next.
        ends[-1] = self._starts[shard + 1]
        before = self._points_before(epoch, np.concatenate([[self._starts[shard]], ends]))
        return np.repeat(np.arange(len(factors)), np.diff(before))

    def _factors(self, shard: int) -> np.ndarray:
        present = self.index.present(shard)
        return np.where(present, self._factor_of_class, 1.0).max(axis=1, initial=1.0)

    def _points_before(self, epoch: int, places: np.ndarray) -> np.ndarray:
        """How many of the epoch's points lie before each place, int64; all of them at the end."""
        step = self._starts[-1] / self.epoch_size
        start = uniform(key_of(self.seed, "comb", epoch), np.arange(1))[0]
        before = np.ceil(places / step - start).astype(np.int64)
        before[places >= self._starts[-1]] = self.epoch_size
        return np.clip(before, 0, self.epoch_size)
