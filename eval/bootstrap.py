"""Bootstrap over images: seeded resamples, and the percentile interval of what they give."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from eval.rating_sample import Floats, Ints

# Replicates are handed out in blocks, so that memory does not grow with replicates × images.
_BLOCK_CELLS = 1 << 21
# From fewer than this, 95 % percentile intervals held the truth in 83 to 94 % of simulated studies
# (benchmarks/agreement.py --coverage).
FEW_DRAWN = 50


def resamples(
    n_images: int, *, replicates: int, key: tuple[int, ...], counts: Ints | None = None
) -> Iterator[Floats]:
    """Blocks (b, U) of how often each replicate drew each image, with replacement.

    U is `n_images`; or, of images that are alike, `counts` (U,) says how many there are of each
    kind, and draws are counted by kind. The blocks hold `replicates` rows in all. The draws depend
    on `key` (seed, what for) only: they are one sequence, however it is cut into blocks.
    """
    random = keyed_random(key)
    counts_U = np.ones(n_images) if counts is None else counts
    block = max(_BLOCK_CELLS // len(counts_U), 1)
    for start in range(0, replicates, block):
        rows = min(block, replicates - start)
        drawn = random.multinomial(n_images, counts_U / n_images, size=rows)
        yield drawn.astype(np.float64)


def keyed_random(key: tuple[int, ...]) -> np.random.Generator:
    """A generator whose draws depend on `key` (seed, what for) only."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(key)))


def percentile_interval(values_B: Floats, level: float) -> tuple[float, float] | None:
    """The central `level` (0 to 1) of the replicates that are defined (not NaN); None if none is.

    Efron & Tibshirani 1993, An Introduction to the Bootstrap, chapter 13.
    """
    defined = values_B[~np.isnan(values_B)]
    if not defined.size:
        return None
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
