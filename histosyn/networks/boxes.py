"""Boxes: rectangular parts of a grid of features, in whole cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch


@dataclass(frozen=True, kw_only=True)
class Box:
    """Rows top to bottom and columns left to right of a grid, the last ones excluded."""

    top: int
    bottom: int
    left: int
    right: int

    def grown(self, by: int, size: Sequence[int]) -> Box:
        """Larger by so many cells on each side, but not than the grid."""
        return Box(
            top=max(self.top - by, 0),
            bottom=min(self.bottom + by, size[0]),
            left=max(self.left - by, 0),
            right=min(self.right + by, size[1]),
        )

    def with_cells(self, side: int, size: Sequence[int]) -> Box:
        """Larger until it has `side`² cells, as square as the grid lets it be, or is the grid."""
        rows = min(max(self.bottom - self.top, side), size[0])
        columns = min(max(self.right - self.left, -(-(side**2) // rows)), size[1])
        rows = min(max(rows, -(-(side**2) // columns)), size[0])
        top, bottom = _widened(self.top, self.bottom, rows, size[0])
        left, right = _widened(self.left, self.right, columns, size[1])
        return Box(top=top, bottom=bottom, left=left, right=right)

    def finer(self) -> Box:
        """The same cells on a grid of half the spacing."""
        return Box(
            top=2 * self.top, bottom=2 * self.bottom, left=2 * self.left, right=2 * self.right
        )

    def coarser(self) -> Box:
        """The cells of twice the spacing that hold these."""
        return Box(
            top=self.top // 2,
            bottom=-(-self.bottom // 2),
            left=self.left // 2,
            right=-(-self.right // 2),
        )

    def shifted(self, origin: Box) -> Box:
        """The same cells, counted from the corner of another box."""
        return Box(
            top=self.top - origin.top,
            bottom=self.bottom - origin.top,
            left=self.left - origin.left,
            right=self.right - origin.left,
        )

    def share_of(self, size: Sequence[int]) -> float:
        """Its part of a grid."""
        return (self.bottom - self.top) * (self.right - self.left) / (size[0] * size[1])

    def of(self, values: torch.Tensor) -> torch.Tensor:
        """This part of (..., H, W)."""
        return values[..., self.top : self.bottom, self.left : self.right]


def box_of(changed_HW: torch.Tensor) -> Box | None:
    """The smallest box around what is true; None if nothing is."""
    rows, columns = (changed_HW.any(axis).nonzero().flatten() for axis in (1, 0))
    if not len(rows):
        return None
    return Box(
        top=int(rows[0]), bottom=int(rows[-1]) + 1, left=int(columns[0]), right=int(columns[-1]) + 1
    )


def around(*boxes: Box | None) -> Box | None:
    """The smallest box around all that are not None."""
    found = [box for box in boxes if box is not None]
    return hull(found) if found else None


def hull(boxes: Sequence[Box]) -> Box:
    """The smallest box around all of them, at least one."""
    return Box(
        top=min(box.top for box in boxes),
        bottom=max(box.bottom for box in boxes),
        left=min(box.left for box in boxes),
        right=max(box.right for box in boxes),
    )


def sampled(size: Sequence[int], side: int = 512, most: int = 3) -> list[Box]:
    """Boxes of `side` cells that show what a grid is like: `most` x `most`, evenly over it.

    One of the whole grid if that has no more cells than a box.
    """
    height, width = size
    if height * width <= side * side:
        return [Box(top=0, bottom=height, left=0, right=width)]
    return [
        Box(top=top, bottom=top + min(side, height), left=left, right=left + min(side, width))
        for top in _spread(height, side, most)
        for left in _spread(width, side, most)
    ]


def _spread(length: int, side: int, most: int) -> list[int]:
    """Where up to `most` stretches of `side` begin, the first and the last at the ends."""
    count = min(-(-length // side), most)
    return [number * (length - side) // (count - 1) if count > 1 else 0 for number in range(count)]


def _widened(start: int, stop: int, length: int, most: int) -> tuple[int, int]:
    """A stretch of `length` around another one, within 0 and `most`."""
    start = max(min(start, start - (length - (stop - start)) // 2, most - length), 0)
    return start, max(start + length, stop)
