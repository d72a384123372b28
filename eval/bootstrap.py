"""Bootstrap over images: seeded resamples, and the percentile interval of what they give."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from eval.rating_sample import Floats

# Replicates are handed out in blocks, so that memory does not grow with replicates × images.
_BLOCK_CELLS = 1 << 21


def resamples(n_images: int, *, replicates: int, key: tuple[int, ...]) -> Iterator[Floats]:
    """Blocks (b, n_images) of how often each replicate drew each image, with replacement.

    The blocks hold `replicates` rows in all. The draws depend on `key` (seed, what for) only:
    they are one sequence, however it is cut into blocks.
    """
    random = np.random.Generator(np.random.Philox(np.random.SeedSequence(key)))
    block = max(_BLOCK_CELLS // n_images, 1)
    chances_I = np.full(n_images, 1 / n_images)
    for start in range(0, replicates, block):
        rows = min(block, replicates - start)
        yield random.multinomial(n_images, chances_I, size=rows).astype(np.float64)


def percentile_interval(values_B: Floats, level: float) -> tuple[float, float] | None:
    """The central `level` (0 to 1) of the replicates that are defined (not NaN); None if none is.

    Efron & Tibshirani 1993, An Introduction to the Bootstrap, chapter 13.
    """
    defined = values_B[~np.isnan(values_B)]
    if not defined.size:
        return None
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
