"""Label maps of other sizes: windows of those there are, overlapping, cut along cheap seams."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from histosyn.new_labels.seams import cheapest_path, seam_cost
from histosyn.new_labels.symmetries import ALL, flipped

# Of the side of a window.
_OVERLAP_SHARE = 0.25
# Windows of which the one that agrees best with what is there is taken.
_CANDIDATES = 8


def window_of(
    labels_HW: np.ndarray, size: tuple[int, int], rng: np.random.Generator
) -> np.ndarray | None:
    """A window of this size at a random place; None if the map is smaller."""
    room = [have - want + 1 for have, want in zip(labels_HW.shape, size, strict=True)]
    if min(room) < 1:
        return None
    top, left = rng.integers(0, room)
    return labels_HW[top : top + size[0], left : left + size[1]]


def grown(
    maps: Sequence[np.ndarray],
    size: tuple[int, int],
    kinds: Sequence[int],
    rng: np.random.Generator,
) -> np.ndarray:
    """A map of `size` (H, W) of windows of `maps`, uint8, the first map's in the upper left."""
    side = min(min(each.shape) for each in maps)
    overlap = max(round(side * _OVERLAP_SHARE), 1) if side > 1 else 0
    step = side - overlap
    rows, columns = (max(-(-(length - overlap) // step), 1) for length in size)
    canvas_HW = np.zeros((rows * step + overlap, columns * step + overlap), dtype=np.uint8)
    for row in range(rows):
        for column in range(columns):
            box = (slice(row * step, row * step + side), slice(column * step, column * step + side))
            above, before = overlap * (row > 0), overlap * (column > 0)
            pool = maps if row or column else maps[:1]
            windows = [_window(pool, side, rng) for _ in range(_CANDIDATES)]
            there = canvas_HW[box].copy()
            new = min(windows, key=lambda window: _disagreement(there, window, above, before))
            canvas_HW[box] = _laid_over(there, new, kinds, above, before)
    return canvas_HW[: size[0], : size[1]]


def _window(maps: Sequence[np.ndarray], side: int, rng: np.random.Generator) -> np.ndarray:
    window = window_of(maps[int(rng.integers(len(maps)))], (side, side), rng)
    assert window is not None, "no map is smaller than the smallest"
    return flipped(window, int(rng.integers(ALL)))


def _disagreement(there: np.ndarray, window: np.ndarray, above: int, before: int) -> int:
    differ = there != window
    return int(differ[:above].sum() + differ[above:, :before].sum())


def _laid_over(
    there: np.ndarray, new: np.ndarray, kinds: Sequence[int], above: int, before: int
) -> np.ndarray:
    """The window, but for what lies beyond the seams in the `above` rows and `before` columns."""
    keep = np.zeros(there.shape, dtype=bool)
    if before:
        path = cheapest_path(seam_cost(there[:, :before], new[:, :before], kinds))
        keep[:, :before] |= np.arange(before) < path[:, None]
    if above:
        path = cheapest_path(seam_cost(there[:above].T, new[:above].T, kinds))
        keep[:above] |= (np.arange(above) < path[:, None]).T
    return np.where(keep, there, new)
