"""Rated images, and replicates of them: what every agreement coefficient is counted from.

Legend: B replicates, I images, R raters, K categories.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

MISSING = -1


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Rated images, each counted as often as a replicate of the data holds it.

    `codes_IR`: category indices in [0, K), or `MISSING`.
    `times_BI`: how often each of B replicates holds each image; a row of ones is the data itself.
    """

    codes_IR: Ints
    n_categories: int
    times_BI: Floats

    @classmethod
    def observed(cls, codes_IR: Ints, n_categories: int) -> Sample:
        """The data as they are: one replicate, each image once."""
        times_BI = np.ones((1, len(codes_IR)))
        return cls(codes_IR=codes_IR, n_categories=n_categories, times_BI=times_BI)

    def of_raters(self, raters: tuple[int, ...]) -> Sample:
        """The same images and replicates with these raters only (indices into R)."""
        return Sample(
            codes_IR=self.codes_IR[:, raters],
            n_categories=self.n_categories,
            times_BI=self.times_BI,
        )

    def total(self, per_image: Floats) -> Floats:
        """Sum of `per_image` (I, ...) over the images of each replicate: (B, ...)."""
        return np.tensordot(self.times_BI, per_image, axes=1)

    @property
    def replicates(self) -> int:
        """B."""
        return len(self.times_BI)

    @cached_property
    def chosen(self) -> Floats:
        """(I, R, K): 1 where a rater put an image into a category, else 0."""
        return (self.codes_IR[:, :, None] == np.arange(self.n_categories)).astype(np.float64)

    @cached_property
    def counts(self) -> Floats:
        """(I, K): how many raters put an image into a category."""
        return self.chosen.sum(axis=1)

    @cached_property
    def ratings(self) -> Floats:
        """(I,): how many ratings an image has."""
        return self.counts.sum(axis=1)

    @cached_property
    def pairs(self) -> Floats:
        """(I, K, K): ordered pairs of raters, the first chose category k, the second l."""
        with_oneself_IKK = self.counts[:, :, None] * np.eye(self.n_categories)
        return self.counts[:, :, None] * self.counts[:, None, :] - with_oneself_IKK

    @cached_property
    def comparable(self) -> Floats:
        """(B,): how many images have two or more ratings."""
        return self.total((self.ratings >= 2).astype(np.float64))

    @cached_property
    def shares(self) -> Floats:
        """(B, K): share of a category within an image, averaged over images with a rating."""
        rated_B = self.total((self.ratings >= 1).astype(np.float64))
        within_image_IK = ratio(self.counts, self.ratings[:, None], undefined=0.0)
        return ratio(self.total(within_image_IK), rated_B[:, None])


def ratio(top: Floats, bottom: Floats, *, undefined: float = np.nan) -> Floats:
    """`top` / `bottom`, but `undefined` where `bottom` is zero or NaN. Both are non-negative."""
    top, bottom = np.broadcast_arrays(top, bottom)
    return np.divide(top, bottom, out=np.full(top.shape, undefined), where=bottom > 0)
