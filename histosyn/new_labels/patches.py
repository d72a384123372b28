"""An object cut out of its map, with the smaller ones that lie in it, to be laid elsewhere."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from histosyn.new_labels.regions import Layers, Region

_OUTSIDE = -1


@dataclass(frozen=True, kw_only=True, eq=False)
class Patch:
    """Content of an object and, apart, of what lies on it; all arrays are (h, w).

    `content[0]` int16 is the object's own, `content[n]` that of the n-th smaller kind, where -1
    means that nothing is there. `near` bool is the object and the pixels that touch it.
    """

    content: tuple[np.ndarray, ...]
    near: np.ndarray
    below: np.ndarray

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.near.shape[0], self.near.shape[1]


def cut_out(layers: Layers, place: int, number: int) -> tuple[Patch, tuple[int, int]]:
    """Region `number` of the kind at `place`, with what lies in it; and its top and left corner.

    The smaller kinds come in the order in which they lie on it: the largest first.
    """
    region = layers.regions[place][number]
    inner = [
        [each for each in layers.regions[smaller] if each.parents[place - smaller - 1] == number]
        for smaller in reversed(range(place))
    ]
    corners = [region.box, *(each.box for of_kind in inner for each in of_kind)]
    top = min(rows.start for rows, _ in corners) - 1
    left = min(columns.start for _, columns in corners) - 1
    height = max(rows.stop for rows, _ in corners) + 1 - top
    width = max(columns.stop for _, columns in corners) + 1 - left
    content = tuple(_drawn(of_kind, top, left, (height, width)) for of_kind in ([region], *inner))
    return Patch(content=content, near=_grown(content[0]), below=region.below), (top, left)


def turned(patch: Patch, *, angle: float, scale: float, mirror: bool) -> Patch:
    """The patch turned by `angle` degrees, enlarged by `scale`, and seen in a mirror if so."""
    height, width = patch.size
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    new_height = math.ceil(scale * (abs(cos) * height + abs(sin) * width)) + 2
    new_width = math.ceil(scale * (abs(sin) * height + abs(cos) * width)) + 2
    rows = (np.arange(new_height) - (new_height - 1) / 2)[:, None] / scale
    columns = (np.arange(new_width) - (new_width - 1) / 2)[None, :] / scale
    from_rows = np.rint(cos * rows + sin * columns + (height - 1) / 2).astype(np.int64)
    from_columns = np.rint(cos * columns - sin * rows + (width - 1) / 2).astype(np.int64)
    if mirror:
        from_columns = width - 1 - from_columns
    inside = (from_rows >= 0) & (from_rows < height) & (from_columns >= 0) & (from_columns < width)
    from_rows, from_columns = np.where(inside, from_rows, 0), np.where(inside, from_columns, 0)
    content = tuple(
        np.where(inside, each[from_rows, from_columns], _OUTSIDE).astype(np.int16)
        for each in patch.content
    )
    return Patch(content=content, near=_grown(content[0]), below=patch.below)


def stamp(canvas_HW: np.ndarray, content: np.ndarray, top: int, left: int) -> None:
    """Draw on the canvas where there is content; what lies beyond the canvas is left out."""
    height, width = content.shape
    rows = slice(max(top, 0), min(top + height, canvas_HW.shape[0]))
    columns = slice(max(left, 0), min(left + width, canvas_HW.shape[1]))
    inner = content[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
    window = canvas_HW[rows, columns]
    window[inner != _OUTSIDE] = inner[inner != _OUTSIDE]


def fits(canvas_HW: np.ndarray, patch: Patch, top: int, left: int) -> bool:
    """Whether it lies inside the canvas, on classes alone that were below it before."""
    height, width = patch.size
    if min(top, left) < 0 or top + height > canvas_HW.shape[0] or left + width > canvas_HW.shape[1]:
        return False
    under = canvas_HW[top : top + height, left : left + width][patch.near]
    return bool(patch.below[under].all())


def _drawn(regions: Sequence[Region], top: int, left: int, size: tuple[int, int]) -> np.ndarray:
    drawn = np.full(size, _OUTSIDE, dtype=np.int16)
    for region in regions:
        height, width = region.mask.shape
        y, x = region.top - top, region.left - left
        window = drawn[y : y + height, x : x + width]
        window[region.mask] = region.content[region.mask]
    return drawn


def _grown(content: np.ndarray) -> np.ndarray:
    """Where the content is, and one pixel on to all sides."""
    there = content != _OUTSIDE
    grown = there.copy()
    grown[1:] |= there[:-1]
    grown[:-1] |= there[1:]
    wide = grown.copy()
    wide[:, 1:] |= grown[:, :-1]
    wide[:, :-1] |= grown[:, 1:]
    return wide
