"""Rated images, and replicates of them: what every agreement coefficient is counted from.

Legend: B replicates, I images, R raters, K categories.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from eval.statistics.arrays import Floats, Ints, ratio

MISSING = -1


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Rated images, each counted as often as a replicate of the data holds it.

    `codes_IR`: category indices in [0, K), or `MISSING`.
    `times_BI`: how often each of B replicates holds each image; a row of ones is the data itself.
    `times_R`: how often these replicates hold each rater; None: once. Copies of one rater are
    never compared with each other: they would agree by birth.
    """

    codes_IR: Ints
    n_categories: int
    times_BI: Floats
    times_R: Floats | None = None

    @classmethod
    def observed(cls, codes_IR: Ints, n_categories: int) -> Sample:
        """The data as they are: one replicate, each image once."""
        times_BI = np.ones((1, len(codes_IR)))
        return cls(codes_IR=codes_IR, n_categories=n_categories, times_BI=times_BI)

    def of_raters(self, raters: tuple[int, ...]) -> Sample:
        """The same images and replicates with these raters only (indices into R)."""
        times_R = None if self.times_R is None else self.times_R[list(raters)]
        return replace(self, codes_IR=self.codes_IR[:, raters], times_R=times_R)

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
    def rater_times(self) -> Floats:
        """(R,): how often each rater is held."""
        return np.ones(self.codes_IR.shape[1]) if self.times_R is None else self.times_R

    @cached_property
    def counts(self) -> Floats:
        """(I, K): how many raters put an image into a category."""
        return np.einsum("irk,r->ik", self.chosen, self.rater_times)

    @cached_property
    def ratings(self) -> Floats:
        """(I,): how many ratings an image has."""
        return self.counts.sum(axis=1)

    @cached_property
    def pairs(self) -> Floats:
        """(I, K): ordered pairs of different raters who rated an image, the first of them with k.

        By the second's category as well they would be (I, K, K): too many for scores up to 1000.
        """
        with_oneself_IK = np.einsum("irk,r->ik", self.chosen, self.rater_times**2)
        return self.counts * self.ratings[:, None] - with_oneself_IK

    @cached_property
    def pairs_of_image(self) -> Floats:
        """(I,): ordered pairs of different raters who rated an image."""
        return self.pairs.sum(axis=1)

    @cached_property
    def comparable(self) -> Floats:
        """(B,): how many images have ratings of two or more raters."""
        return self.total((self.pairs_of_image > 0).astype(np.float64))

    @cached_property
    def rated(self) -> Floats:
        """(B,): how many images have a rating."""
        return self.total((self.ratings > 0).astype(np.float64))

    @cached_property
    def shares(self) -> Floats:
        """(B, K): share of a category within an image, averaged over images with a rating."""
        within_image_IK = ratio(self.counts, self.ratings[:, None], undefined=0.0)
        return ratio(self.total(within_image_IK), self.rated[:, None])


@dataclass(frozen=True, kw_only=True)
class Perturbed(Sample):
    """The data as they are, I times, each time with one image counted `step` times more.

    Differences between these replicates are the derivatives of a statistic with respect to the
    weight of an image. `times_BI` (1, I) holds the data's own counts; B is I.
    """

    step: float

    def total(self, per_image: Floats) -> Floats:
        """Sum of `per_image` (I, ...) over the images of each replicate: (I, ...)."""
        return super().total(per_image) + self.step * per_image

    @property
    def replicates(self) -> int:
        """I."""
        return len(self.codes_IR)


def patterns(codes_IR: Ints) -> tuple[Ints, Ints]:
    """The U different rows of `codes_IR`, in an order of their own: (U, R), and their counts (U,).

    Images rated alike are one image counted several times: few raters make few patterns, however
    many images there are.
    """
    if not codes_IR.size:
        return codes_IR, np.ones(len(codes_IR), dtype=np.int64)
    different_UR, counts_U = np.unique(codes_IR, axis=0, return_counts=True)
    return different_UR, counts_U
