"""Readers of a block who said of the same images, or pairs, what is synthetic.

Legend: I images (or pairs), R readers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eval.statistics.arrays import Floats, Ints

Bools = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, eq=False)
class Panel:
    """`ratings_IR`: the higher, the surer that an image is synthetic; NaN where there is none.

    `middle`: ratings above it say yes, below it no. `group_I`: patients, by number, or None.
    `right_IR`, of pairs: where the synthetic one was on the right; ratings are turned so that it
    always seems to be.
    """

    block: str
    readers: tuple[str, ...]
    images: tuple[str, ...]
    positive_I: Bools
    ratings_IR: Floats
    middle: float
    pairs: bool = False
    group_I: Ints | None = None
    right_IR: Bools | None = None

    @property
    def answered(self) -> Bools:
        """Who read what."""
        found: Bools = ~np.isnan(self.ratings_IR)
        return found

    @property
    def undecided(self) -> bool:
        """Whether a rating is the middle one, which says neither."""
        return bool((self.ratings_IR == self.middle).any())

    @property
    def strata(self) -> Ints:
        """Images of the two kinds are drawn by themselves; pairs are of one kind."""
        return np.zeros(len(self.images), np.int64) if self.pairs else self.positive_I.astype(int)

    @property
    def correct(self) -> Floats:
        """1 where the answer is right, 0 where it is wrong, NaN where there is none."""
        right_IR = (self.ratings_IR > self.middle) == self.positive_I[:, None]
        return np.where(self.answered, right_IR, np.nan).astype(float)

    def only(self, readers: tuple[str, ...]) -> Panel:
        """The same images, read by some."""
        columns = [self.readers.index(name) for name in readers]
        return Panel(
            block=self.block, readers=readers, images=self.images, positive_I=self.positive_I,
            ratings_IR=self.ratings_IR[:, columns], middle=self.middle, pairs=self.pairs,
            group_I=self.group_I,
            right_IR=None if self.right_IR is None else self.right_IR[:, columns],
        )  # fmt: skip
