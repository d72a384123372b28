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

from eval.distances.moments import Moments, checked_features, require_same_dimension, require_two
from eval.statistics.arrays import real_numbers
from hpc.errors import InputError

# How far a matrix may be from symmetric or positive before it is called no covariance.
_TOLERANCE = 1e-6
# Features of networks are far smaller, and beyond it nothing can be computed.
_MOST = 1e150
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


def frechet_distance(
    real: Gaussian, synthetic: Gaussian, names: tuple[str, str] = ("real", "synthetic")
) -> float:
    """Squared Fréchet distance, in [0, ∞). Symmetric up to rounding, 0 between equals.

    Raises InputError for different dimensions, values that are not real and finite, or a matrix
    that is not a covariance; it calls the sides by their `names`.
    """
    first, second = (
        _mean_and_factor(side, name) for side, name in zip((real, synthetic), names, strict=True)
    )
    return _distance(*first, *second)


def covariance_fault(covariance_DD: NDArray[np.float64]) -> str | None:
    """Why a square matrix is no covariance, as far as its entries tell; None if they do not.

    Eigenvalues tell more, and take as long as a distance.
    """
    if not covariance_DD.size:
        return "the covariance is empty"
    variances_D = np.diag(covariance_DD)
    largest = np.abs(covariance_DD).max()
    if np.abs(covariance_DD - covariance_DD.T).max() > _TOLERANCE * largest:
        return "the covariance is not symmetric"
    if variances_D.min() < -_TOLERANCE * largest:
        return f"the covariance has a negative variance, {variances_D.min():.3g}"
    return None


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
    with np.errstate(over="ignore"):
        apart = np.square(mean_x_D - mean_y_D).sum()
        traces = np.square(factor_x_RD).sum() + np.square(factor_y_RD).sum()
    # Products of two products follow, which must not overflow either.
    if max(apart, traces) > _MOST:
        raise InputError(
            f"Means or covariances are too large: {max(apart, traces):.3g}, more than {_MOST:g}. "
            "Check where these statistics come from."
        )
    overlap = _sum_of_singular_values(factor_x_RD @ factor_y_RD.T, _PRECISION * traces)
    return max(float(apart + traces - 2 * overlap), 0.0)


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


def _mean_and_factor(
    gaussian: Gaussian, name: str
) -> tuple[NDArray[np.float64], NDArray[np.floating]]:
    mean_D, covariance_DD = (
        real_numbers(values, f"{name}: the {what}").astype(np.float64)
        for values, what in ((gaussian.mean_D, "mean"), (gaussian.covariance_DD, "covariance"))
    )
    mean_D, covariance_DD = np.atleast_1d(mean_D), np.atleast_2d(covariance_DD)
    if mean_D.ndim != 1 or covariance_DD.shape != (len(mean_D), len(mean_D)):
        raise InputError(
            f"{name}: a mean of shape {mean_D.shape} does not belong to a covariance of shape "
            f"{covariance_DD.shape}. Check where these statistics come from."
        )
    return mean_D, _factor_of_covariance(covariance_DD, name)


def _mean_and_factor_of_features(
    features_ND: ArrayLike,
) -> tuple[NDArray[np.float64], NDArray[np.floating]]:
    features_ND = checked_features(features_ND)
    n = require_two(len(features_ND))
    if n >= features_ND.shape[1]:
        return _mean_and_factor(Moments.of(features_ND), "features")
    centred_ND = features_ND.astype(np.float64)
    mean_D = centred_ND.mean(axis=0)
    centred_ND -= mean_D
    return mean_D, centred_ND / np.sqrt(n - 1)


def _factor_of_covariance(covariance_DD: NDArray[np.float64], name: str) -> NDArray[np.floating]:
    """A matrix F of shape (rank, D) with FᵀF equal to the covariance of `name`."""
    if fault := covariance_fault(covariance_DD):
        raise InputError(f"{name}: {fault}. Check where these statistics come from.")
    rounding = len(covariance_DD) * np.finfo(np.float64).eps
    try:
        lower_DD = linalg.cholesky(covariance_DD, lower=True, check_finite=False)
    except np.linalg.LinAlgError:
        return _factor_of_singular(covariance_DD, rounding, name)
    pivots = np.square(np.diag(lower_DD))
    # A pivot of the size of rounding errors tells of a singular matrix that got through by chance.
    if pivots.min() <= rounding * pivots.max():
        return _factor_of_singular(covariance_DD, rounding, name)
    return lower_DD.T


def _factor_of_singular(
    covariance_DD: NDArray[np.float64], rounding: float, name: str
) -> NDArray[np.floating]:
    """The factor made of the eigenvectors whose eigenvalues are more than rounding errors."""
    eigenvalues, vectors_DD = np.linalg.eigh(covariance_DD)
    largest = np.abs(eigenvalues).max()
    if eigenvalues[0] < -_TOLERANCE * largest:
        raise InputError(
            f"{name}: the covariance has a negative eigenvalue, {eigenvalues[0]:.3g}: it is not "
            "one. Check where these statistics come from."
        )
    kept = eigenvalues > rounding * largest
    return (vectors_DD[:, kept] * np.sqrt(eigenvalues[kept])).T
