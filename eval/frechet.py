"""Fréchet distance between two Gaussians, exact and without a matrix square root.

d² = |μ₁ − μ₂|² + tr S₁ + tr S₂ − 2 tr (S₁ S₂)^½        (Dowson & Landau 1982; Heusel et al. 2017)

With any factors S₁ = AᵀA and S₂ = BᵀB, the last trace is the sum of the singular values of A Bᵀ.
They are the roots of the eigenvalues of A Bᵀ B Aᵀ, which are found three times faster but turn
rounding errors of 1e-16 into 1e-8 in each direction that the data do not fill. What such errors can
amount to is known from the eigenvalues: where it is too much, the singular values are computed, and
an ill-conditioned or singular covariance costs no digits. Factors: N < D centred features are one
themselves; else the Cholesky factor; for a singular covariance its eigenvectors.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import linalg

from eval.moments import Moments, checked_features, require_same_dimension, require_two
from hpc.errors import InputError

# How far a matrix may be from symmetric or positive before it is called no covariance.
_TOLERANCE = 1e-6
# How large errors of the fast way may be, relative to the traces.
_PRECISION = 1e-10


class Gaussian(Protocol):
    """What a distance is taken between: Moments, or statistics read from a file."""

    @property
    def mean_D(self) -> NDArray[np.float64]:  # noqa: N802
        """Mean of the features."""

    @property
    def covariance_DD(self) -> NDArray[np.float64]:  # noqa: N802
        """Sample covariance of the features; of a single feature it may be 0-d or 1-d."""


def frechet_distance(real: Gaussian, synthetic: Gaussian) -> float:
    """Squared Fréchet distance, in [0, ∞). Symmetric up to rounding, 0 between equals.

    Raises InputError for different dimensions, values that are not finite, or a matrix that is not
    a covariance.
    """
    return _distance(*_mean_and_factor(real), *_mean_and_factor(synthetic))


def frechet_distance_from_features(x_ND: ArrayLike, y_ND: ArrayLike) -> float:
    """Squared Fréchet distance between the Gaussians fitted to two sets of features, in [0, ∞).

    The numbers of vectors may differ. No D×D matrix arises for a side with fewer vectors than
    dimensions. Raises InputError for fewer than two vectors, different dimensions, or values that
    are not finite.
    """
    return _distance(*_mean_and_factor_of_features(x_ND), *_mean_and_factor_of_features(y_ND))


def _distance(
    mean_x_D: NDArray[np.float64],
    factor_x_RD: NDArray[np.floating],
    mean_y_D: NDArray[np.float64],
    factor_y_RD: NDArray[np.floating],
) -> float:
    require_same_dimension(len(mean_x_D), len(mean_y_D))
    traces = np.square(factor_x_RD).sum() + np.square(factor_y_RD).sum()
    overlap = _sum_of_singular_values(factor_x_RD @ factor_y_RD.T, _PRECISION * traces)
    distance = np.square(mean_x_D - mean_y_D).sum() + traces - 2 * overlap
    return max(float(distance), 0.0)


def _sum_of_singular_values(product_RR: NDArray[np.floating], allowed_error: float) -> float:
    if not product_RR.any():
        return 0.0
    if len(product_RR) > product_RR.shape[1]:
        product_RR = product_RR.T
    eigenvalues = linalg.eigvalsh(product_RR @ product_RR.T, check_finite=False)
    rounding = np.finfo(np.float64).eps * np.sqrt(len(eigenvalues)) * eigenvalues[-1]
    # Where an eigenvalue is all rounding, its root is wrong by no more than the error's root.
    errors = rounding / (2 * np.sqrt(np.maximum(eigenvalues, rounding)))
    if errors.sum() <= allowed_error:
        return float(np.sqrt(np.maximum(eigenvalues, 0)).sum())
    return float(np.linalg.svd(product_RR, compute_uv=False).sum())


def _mean_and_factor(gaussian: Gaussian) -> tuple[NDArray[np.float64], NDArray[np.floating]]:
    mean_D = np.atleast_1d(np.asarray(gaussian.mean_D, dtype=np.float64))
    covariance_DD = np.atleast_2d(np.asarray(gaussian.covariance_DD, dtype=np.float64))
    if mean_D.ndim != 1 or covariance_DD.shape != (len(mean_D), len(mean_D)):
        raise InputError(
            f"A mean of shape {mean_D.shape} does not belong to a covariance of shape "
            f"{covariance_DD.shape}. Check where these statistics come from."
        )
    if not (np.isfinite(mean_D).all() and np.isfinite(covariance_DD).all()):
        raise InputError("The mean or the covariance holds values that are not finite.")
    return mean_D, _factor_of_covariance(covariance_DD)


def _mean_and_factor_of_features(
    features_ND: ArrayLike,
) -> tuple[NDArray[np.float64], NDArray[np.floating]]:
    features_ND = checked_features(features_ND)
    n = require_two(len(features_ND))
    if n >= features_ND.shape[1]:
        return _mean_and_factor(Moments.of(features_ND))
    centred_ND = features_ND.astype(np.float64)
    mean_D = centred_ND.mean(axis=0)
    centred_ND -= mean_D
    return mean_D, centred_ND / np.sqrt(n - 1)


def _factor_of_covariance(covariance_DD: NDArray[np.float64]) -> NDArray[np.floating]:
    """A matrix F of shape (rank, D) with FᵀF equal to the covariance."""
    largest = np.abs(covariance_DD).max()
    if np.abs(covariance_DD - covariance_DD.T).max() > _TOLERANCE * largest:
        raise InputError("The covariance is not symmetric. Check where it comes from.")
    rounding = len(covariance_DD) * np.finfo(np.float64).eps
    try:
        lower_DD = linalg.cholesky(covariance_DD, lower=True, check_finite=False)
    except np.linalg.LinAlgError:
        return _factor_of_singular(covariance_DD, rounding)
    pivots = np.square(np.diag(lower_DD))
    # A pivot of the size of rounding errors tells of a singular matrix that got through by chance.
    if pivots.min() <= rounding * pivots.max():
        return _factor_of_singular(covariance_DD, rounding)
    return lower_DD.T


def _factor_of_singular(
    covariance_DD: NDArray[np.float64], rounding: float
) -> NDArray[np.floating]:
    """The factor made of the eigenvectors whose eigenvalues are more than rounding errors."""
    eigenvalues, vectors_DD = np.linalg.eigh(covariance_DD)
    largest = np.abs(eigenvalues).max()
    if eigenvalues[0] < -_TOLERANCE * largest:
        raise InputError(
            f"The covariance has a negative eigenvalue, {eigenvalues[0]:.3g}: it is not one. "
            "Check where it comes from."
        )
    kept = eigenvalues > rounding * largest
    return (vectors_DD[:, kept] * np.sqrt(eigenvalues[kept])).T
