"""Fidelity and variety: precision, recall, density and coverage by balls of nearest neighbours.

Around each tile lies a ball that reaches to its k-th nearest neighbour on its own side. *Precision*
is the share of synthetic tiles in some real ball, *recall* that of real tiles in some synthetic
ball: Kynkäänniemi et al., "Improved precision and recall metric", NeurIPS 2019, k = 3. *Density* is
the mean number of real balls around a synthetic tile, divided by k, and *coverage* the share of
real balls with a synthetic tile in them: Naeem et al., "Reliable fidelity and diversity metrics",
ICML 2020, k = 5.

A tile at the very edge of a ball is inside for precision and recall (their definition has ≤) and
outside for density and coverage (as in their authors' code: a copy of tiles that all differ has
density 1). A tile equal to the centre is inside always, also of a ball of no size, which tiles have
that are there more than k times. Distances are made in blocks: memory does not grow with the square
of the number of tiles. They are products of rounded numbers, so those that differ by what rounding
leaves count as equal.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eval.distances.moments import checked_features, require_same_dimension
from hpc.errors import InputError

K_PRECISION, K_COVERAGE = 3, 5
# Distances at a time.
_BLOCK_VALUES = 1 << 22
# Sums of D products err by about √D of these at most, relative to the sum of their squares.
_ROUNDING_OF_ONE = 2 * np.finfo(np.float64).eps


@dataclass(frozen=True, kw_only=True, eq=False)
class Membership:
    """What lies in which balls, by tile: n real and m synthetic ones."""

    in_real_M: NDArray[np.bool_]
    in_synthetic_N: NDArray[np.bool_]
    balls_M: NDArray[np.int64]
    covered_N: NDArray[np.bool_]
    k_coverage: int

    @property
    def precision(self) -> float:
        """Share of synthetic tiles in some real ball, in [0, 1]."""
        return float(self.in_real_M.mean())

    @property
    def recall(self) -> float:
        """Share of real tiles in some synthetic ball, in [0, 1]."""
        return float(self.in_synthetic_N.mean())

    @property
    def density(self) -> float:
        """Mean number of real balls around a synthetic tile, divided by k; may exceed 1."""
        return float(self.balls_M.mean() / self.k_coverage)

    @property
    def coverage(self) -> float:
        """Share of real balls with a synthetic tile in them, in [0, 1]."""
        return float(self.covered_N.mean())


def membership(
    real_ND: ArrayLike,
    synthetic_MD: ArrayLike,
    *,
    k_precision: int = K_PRECISION,
    k_coverage: int = K_COVERAGE,
) -> Membership:
    """Membership of features. Raises InputError unless each side has more tiles than k."""
    real, synthetic = (checked_features(one) for one in (real_ND, synthetic_MD))
    require_same_dimension(real.shape[1], synthetic.shape[1])
    if min(len(real), len(synthetic)) <= max(k_precision, k_coverage):
        raise InputError(
            f"The {max(k_precision, k_coverage)} nearest neighbours of a tile need more tiles than "
            f"that on each side: there are {len(real)} and {len(synthetic)}. Add tiles."
        )
    # Seen from one of the tiles an offset is gone, without a mean that would round small numbers.
    origin_D = real[0].astype(np.float64)
    real, synthetic = (one.astype(np.float64) - origin_D for one in (real, synthetic))
    radii_3_N, radii_5_N = squared_radii(real, (k_precision, k_coverage))
    (radii_M,) = squared_radii(synthetic, (k_precision,))
    in_synthetic_N, covered_N = (np.zeros(len(real), dtype=np.bool_) for _ in range(2))
    in_real_M = np.zeros(len(synthetic), dtype=np.bool_)
    balls_M = np.zeros(len(synthetic), dtype=np.int64)
    for rows, squared_BM, rounding_BM in _squared_distances(real, synthetic):
        reaching_BM = squared_BM - rounding_BM
        in_real_M |= (reaching_BM <= radii_3_N[rows, None]).any(axis=0)
        in_synthetic_N[rows] = (reaching_BM <= radii_M).any(axis=1)
        within_BM = (squared_BM + rounding_BM < radii_5_N[rows, None]) | (squared_BM == 0)
        balls_M += within_BM.sum(axis=0)
        covered_N[rows] = within_BM.any(axis=1)
    return Membership(
        in_real_M=in_real_M,
        in_synthetic_N=in_synthetic_N,
        balls_M=balls_M,
        covered_N=covered_N,
        k_coverage=k_coverage,
    )


def squared_radii(x_ND: NDArray[np.float64], ks: tuple[int, ...]) -> list[NDArray[np.float64]]:
    """For each k, the squared distance of each tile to its k-th nearest other tile, (N,)."""
    radii_KN = np.empty((len(ks), len(x_ND)))
    for rows, squared_BN, _ in _squared_distances(x_ND, x_ND):
        numbers = np.arange(len(squared_BN))
        squared_BN[numbers, rows.start + numbers] = np.inf
        nearest = np.partition(squared_BN, [k - 1 for k in ks], axis=1)
        radii_KN[:, rows] = nearest[:, [k - 1 for k in ks]].T
    return list(radii_KN)


def _squared_distances(
    x_ND: NDArray[np.float64], y_MD: NDArray[np.float64]
) -> Iterator[tuple[slice, NDArray[np.float64], NDArray[np.float64]]]:
    """Squared distances (B, M) of blocks of x, and how far rounding may have moved each.

    Those that may be rounding alone are 0.
    """
    square_x_N, square_y_M = (np.square(one).sum(axis=1) for one in (x_ND, y_MD))
    rounding = _ROUNDING_OF_ONE * (1 + x_ND.shape[1] ** 0.5)
    step = max(_BLOCK_VALUES // len(y_MD), 1)
    for start in range(0, len(x_ND), step):
        rows = slice(start, min(start + step, len(x_ND)))
        rounding_BM = square_x_N[rows, None] + square_y_M
        squared_BM = rounding_BM - 2 * (x_ND[rows] @ y_MD.T)
        rounding_BM *= rounding
        squared_BM[squared_BM <= rounding_BM] = 0
        yield rows, squared_BM, rounding_BM
