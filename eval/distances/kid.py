"""Kernel Inception distance: the unbiased squared maximum mean discrepancy, polynomial kernel.

Bińkowski, Sutherland, Arbel & Gretton, "Demystifying MMD GANs", ICLR 2018: k(x, y) = (x·y/D + 1)³;
the U-statistic is Gretton et al. 2012, JMLR 13:723, equation 3. Its mean does not depend on the
number of tiles, so it may be negative, and is never clipped. Kernel values are made in blocks:
memory does not grow with the square of the number of tiles.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from eval.distances.moments import checked_features, require_same_dimension
from hpc.errors import InputError

# Kernel values at a time.
_BLOCK_VALUES = 1 << 22
FEWEST = 2


@dataclass(frozen=True, kw_only=True, eq=False)
class KernelSums:
    """Sums of kernel values by tile: `within_x_N` over the other tiles of x, `across_x_N` over y.

    They determine the distance, and what it would be without any one of the tiles.
    """

    within_x_N: NDArray[np.float64]
    within_y_M: NDArray[np.float64]
    across_x_N: NDArray[np.float64]
    across_y_M: NDArray[np.float64]

    @cached_property
    def distance(self) -> float:
        """The unbiased squared discrepancy."""
        n, m = len(self.within_x_N), len(self.within_y_M)
        within = self.within_x_N.sum() / (n * (n - 1)) + self.within_y_M.sum() / (m * (m - 1))
        return float(within - 2 * self.across_x_N.sum() / (n * m))

    def interval(self, level: float = 0.95) -> tuple[float, float] | None:
        """Distance ± its standard error by the jackknife; None for two tiles on a side."""
        n, m = len(self.within_x_N), len(self.within_y_M)
        if min(n, m) <= FEWEST:
            return None
        x_N = _without_each(self.within_x_N, self.across_x_N, m)
        y_M = _without_each(self.within_y_M, self.across_y_M, n)
        variance = sum((len(one) - 1) * one.var() for one in (x_N, y_M))
        half = float(special.ndtri((1 + level) / 2) * np.sqrt(variance))
        return self.distance - half, self.distance + half


def kid(x_ND: ArrayLike, y_ND: ArrayLike) -> float:
    """The distance between two sets of features. Raises InputError for fewer than two of one."""
    return kernel_sums(x_ND, y_ND).distance


def kernel_sums(x_ND: ArrayLike, y_ND: ArrayLike) -> KernelSums:
    """All that the distance and its interval are made of. Raises InputError as `kid`."""
    x_ND, y_MD = (checked_features(one).astype(np.float64) for one in (x_ND, y_ND))
    require_same_dimension(x_ND.shape[1], y_MD.shape[1])
    if min(len(x_ND), len(y_MD)) < FEWEST:
        raise InputError(
            f"A kernel distance needs at least {FEWEST} images a side, one has "
            f"{min(len(x_ND), len(y_MD))}. Add images."
        )
    across_x_N, across_y_M = np.zeros(len(x_ND)), np.zeros(len(y_MD))
    for rows, kernel_BM in _kernel(x_ND, y_MD):
        across_x_N[rows] = kernel_BM.sum(axis=1)
        across_y_M += kernel_BM.sum(axis=0)
    return KernelSums(
        within_x_N=_within(x_ND),
        within_y_M=_within(y_MD),
        across_x_N=across_x_N,
        across_y_M=across_y_M,
    )


def subset_distances(
    x_ND: NDArray[np.floating],
    y_ND: NDArray[np.floating],
    *,
    subsets: int,
    size: int,
    random: np.random.Generator,
) -> list[float]:
    """The distances of random subsets, drawn without replacement: KID as other tools report it."""
    return [
        kid(
            x_ND[random.choice(len(x_ND), size, replace=False)],
            y_ND[random.choice(len(y_ND), size, replace=False)],
        )
        for _ in range(subsets)
    ]


def _kernel(
    x_ND: NDArray[np.float64], y_MD: NDArray[np.float64]
) -> Iterator[tuple[slice, NDArray[np.float64]]]:
    step = max(_BLOCK_VALUES // len(y_MD), 1)
    for start in range(0, len(x_ND), step):
        rows = slice(start, start + step)
        yield rows, (x_ND[rows] @ y_MD.T / x_ND.shape[1] + 1) ** 3


def _within(x_ND: NDArray[np.float64]) -> NDArray[np.float64]:
    itself_N = (np.square(x_ND).sum(axis=1) / x_ND.shape[1] + 1) ** 3
    return (
        np.concatenate([kernel_BN.sum(axis=1) for _, kernel_BN in _kernel(x_ND, x_ND)]) - itself_N
    )


def _without_each(
    within_N: NDArray[np.float64], across_N: NDArray[np.float64], m: int
) -> NDArray[np.float64]:
    """The distance without each tile of a side, but for the other side's own term."""
    n = len(within_N)
    within = (within_N.sum() - 2 * within_N) / ((n - 1) * (n - 2))
    return within - 2 * (across_N.sum() - across_N) / ((n - 1) * m)
