"""How far the Fréchet distance would be off had other tiles been drawn: infinitesimal jackknife.

The distance is differentiated by the weight of each tile (Jaeckel 1972, Bell Labs memorandum 72-
1215-11; Efron 1982, The Jackknife, the Bootstrap and Other Resampling Plans, chapter 6), which
costs about one more distance. Resampling with replacement would not do: doubled tiles make the
distance larger.

With Δ = μ₁ − μ₂ and factors S₁ = AᵀA, S₂ = BᵀB, M = A Bᵀ, the influence of tile i of the first side
is U_i = 2Δ·(x_i − μ₁) + |x_i − μ₁|²n/(n − 1) − tr S₁ − z_iᵀ(M Mᵀ)^½ z_i + tr (M Mᵀ)^½, where
Aᵀz_i = (x_i − μ₁)·√(n/(n − 1)); the second side's is its mirror image.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from eval.distances.frechet import frechet_distance_from_features
from eval.distances.moments import Moments, checked_features, require_two

# Smaller singular values, relative to the largest, are rounding errors of their squares.
_SMALLEST_ROOT = 1e-7
# Tiles at a time, so that float64 copies of many stay small.
_BLOCK_ROWS = 8192


def frechet_interval(
    x_ND: ArrayLike, y_ND: ArrayLike, *, value: float | None = None, level: float = 0.95
) -> tuple[float, float]:
    """Interval (low, high), low >= 0, of the distance at these numbers of tiles.

    It tells the spread of the estimate, not its bias: with few tiles the whole interval lies too
    high. `value` is the distance if it is known already. Raises InputError as the distance does.
    """
    if value is None:
        value = frechet_distance_from_features(x_ND, y_ND)
    half = float(special.ndtri((1 + level) / 2)) * frechet_standard_error(x_ND, y_ND)
    return max(value - half, 0.0), value + half


def frechet_standard_error(x_ND: ArrayLike, y_ND: ArrayLike) -> float:
    """Standard error of the Fréchet distance between two sets of features."""
    influences = frechet_influences(x_ND, y_ND)
    return float(np.sqrt(sum(np.square(u).sum() / (len(u) * (len(u) - 1)) for u in influences)))


def frechet_influences(
    x_ND: ArrayLike, y_ND: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The influence U_i of each tile of both sides; each side's sum is zero but for rounding."""
    x, y = _Factored(x_ND), _Factored(y_ND)
    shift_D = 2 * (x.mean_D - y.mean_D)
    roots, left_RR, right_RR = _singular(x.factor_RD @ y.factor_RD.T)
    return x.influences(shift_D, left_RR, roots), y.influences(-shift_D, right_RR, roots)


class _Factored:
    """Features, and a factor F of their covariance whose rows are orthogonal or the data.

    The rows of fewer tiles than dimensions are factor enough; else eigenvectors are.
    """

    def __init__(self, features_ND: ArrayLike) -> None:
        self.features_ND = checked_features(features_ND)
        moments = Moments.of(self.features_ND)
        self.n, self.mean_D = require_two(moments.n), moments.mean_D
        self.eigenvalues: NDArray[np.floating] | None = None
        if self.n < len(self.mean_D):
            centred_ND = self.features_ND.astype(np.float64) - self.mean_D
            self.factor_RD: NDArray[np.floating] = centred_ND / np.sqrt(self.n - 1)
        else:
            eigenvalues, vectors_DD = np.linalg.eigh(moments.covariance_DD)
            rounding = len(eigenvalues) * np.finfo(np.float64).eps
            kept = eigenvalues > rounding * np.abs(eigenvalues).max()
            self.eigenvalues = eigenvalues[kept]
            self.factor_RD = (vectors_DD[:, kept] * np.sqrt(self.eigenvalues)).T

    def influences(
        self,
        shift_D: NDArray[np.floating],
        vectors_RR: NDArray[np.floating],
        roots: NDArray[np.floating],
    ) -> NDArray[np.float64]:
        """U_i of each tile; `vectors_RR` and `roots` are those of (M Mᵀ)^½."""
        constant = roots.sum() - np.square(self.factor_RD).sum()
        blocks = [
            self._quadratic(slice(start, start + _BLOCK_ROWS), shift_D, vectors_RR, roots)
            for start in range(0, self.n, _BLOCK_ROWS)
        ]
        return np.concatenate(blocks) + constant

    def _quadratic(
        self,
        rows: slice,
        shift_D: NDArray[np.floating],
        vectors_RR: NDArray[np.floating],
        roots: NDArray[np.floating],
    ) -> NDArray[np.floating]:
        centred_BD = self.features_ND[rows].astype(np.float64) - self.mean_D
        if self.eigenvalues is None:
            spread_B = self.n * np.square(vectors_RR[rows]) @ roots
        else:
            z_BR = centred_BD @ (self.factor_RD.T / self.eigenvalues)
            spread_B = np.square(z_BR @ vectors_RR) @ roots * self.n / (self.n - 1)
        squares_B = np.square(centred_BD).sum(axis=1) * self.n / (self.n - 1)
        return centred_BD @ shift_D + squares_B - spread_B


def _singular(
    matrix: NDArray[np.floating],
) -> tuple[NDArray[np.floating], NDArray[np.floating], NDArray[np.floating]]:
    """Singular values, left and right vectors as columns, from the smaller of the two squares.

    Accurate to 1e-8 of the largest value, which is plenty for an interval.
    """
    if len(matrix) > matrix.shape[1]:
        roots, right, left = _singular(matrix.T)
        return roots, left, right
    eigenvalues, left = np.linalg.eigh(matrix @ matrix.T)
    roots = np.sqrt(np.maximum(eigenvalues, 0))
    kept = roots > _SMALLEST_ROOT * roots.max(initial=0)
    roots, left = roots[kept], left[:, kept]
    return roots, left, (matrix.T @ left) / roots
