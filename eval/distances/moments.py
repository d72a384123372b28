"""Mean and covariance of features, gathered in parts and merged exactly.

Parts are merged by the formula of Chan, Golub & LeVeque, "Updating formulae and a pairwise
algorithm for computing sample variances" (Stanford, STAN-CS-79-773, 1979), in float64: unlike sums
of squares it loses nothing when the mean is large beside the spread.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hpc.errors import InputError

# Rows converted to float64 at a time, so that a part costs little more memory than it takes.
_BLOCK_ROWS = 8192


@dataclass(frozen=True, kw_only=True, eq=False)
class Moments:
    """`n` feature vectors of dimension D: their mean, and the scatter Σ (x − mean)(x − mean)ᵀ."""

    n: int
    mean_D: NDArray[np.float64]
    scatter_DD: NDArray[np.float64]

    @classmethod
    def empty(cls, dimension: int) -> Moments:
        """No vectors yet: merging with it changes nothing."""
        return cls(n=0, mean_D=np.zeros(dimension), scatter_DD=np.zeros((dimension, dimension)))

    @classmethod
    def of(cls, features_ND: ArrayLike) -> Moments:
        """The moments of `features_ND`, N >= 0. Raises InputError if a feature is not finite."""
        features_ND = checked_features(features_ND)
        blocks = (
            _moments_of_block(features_ND[start : start + _BLOCK_ROWS])
            for start in range(0, len(features_ND), _BLOCK_ROWS)
        )
        return reduce(Moments.merge, blocks, cls.empty(features_ND.shape[1]))

    def merge(self, other: Moments) -> Moments:
        """The moments of both sets of vectors together; either may be empty."""
        require_same_dimension(len(self.mean_D), len(other.mean_D))
        if not self.n or not other.n:
            return self if self.n else other
        n = self.n + other.n
        shift_D = other.mean_D - self.mean_D
        weight = self.n * other.n / n
        return Moments(
            n=n,
            mean_D=self.mean_D + shift_D * (other.n / n),
            scatter_DD=self.scatter_DD + other.scatter_DD + weight * np.outer(shift_D, shift_D),
        )

    def update(self, features_ND: ArrayLike) -> Moments:
        """The moments with `features_ND` added."""
        return self.merge(Moments.of(features_ND))

    @property
    def covariance_DD(self) -> NDArray[np.float64]:  # noqa: N802
        """Sample covariance, divided by n − 1. Raises InputError for fewer than two vectors."""
        return self.scatter_DD / (require_two(self.n) - 1)


def checked_features(features_ND: ArrayLike) -> NDArray[np.floating]:
    """Return `features_ND` as an array of N vectors; InputError if it is not one, or not finite."""
    features_ND = np.asarray(features_ND)
    if features_ND.dtype.kind not in "fiub":
        raise InputError(
            f"Features must be real numbers, not {features_ND.dtype.name}. Check the extractor."
        )
    if not np.issubdtype(features_ND.dtype, np.floating):
        features_ND = features_ND.astype(np.float64)
    if features_ND.ndim != 2 or not features_ND.shape[1]:
        raise InputError(
            f"Features must have the shape (images, dimension), not {features_ND.shape}."
        )
    damaged = np.flatnonzero(~np.isfinite(features_ND).all(axis=1))
    if damaged.size:
        raise InputError(
            f"{damaged.size} of {len(features_ND)} images have features that are not finite, "
            f"first number {damaged[0]}. Check the extractor and its weights."
        )
    return features_ND


def require_two(n: int, side: str = "one") -> int:
    """Return `n` if a covariance of n vectors exists; otherwise InputError about `side`."""
    if n < 2:
        raise InputError(
            f"A Fréchet distance needs at least 2 images a side, {side} has {n}: "
            "the covariance of a single image is undefined. Add images."
        )
    return n


def require_same_dimension(one: int, other: int) -> None:
    """InputError if two sets of features have different dimensions."""
    if one != other:
        raise InputError(
            f"Features of dimension {one} cannot be compared with features of dimension {other}. "
            "Use the same extractor on both sides."
        )


def _moments_of_block(features_ND: NDArray[np.floating]) -> Moments:
    centred_ND = features_ND.astype(np.float64)
    mean_D = centred_ND.mean(axis=0)
    centred_ND -= mean_D
    return Moments(n=len(centred_ND), mean_D=mean_D, scatter_DD=centred_ND.T @ centred_ND)
