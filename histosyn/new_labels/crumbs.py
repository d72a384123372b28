"""Crumbs: what windows, seams and a trembling hand cut off objects, too small to be one itself."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

_TOUCHING = np.ones((3, 3), dtype=int)


def without_crumbs(
    labels_HW: np.ndarray, kinds: Sequence[int], least: Sequence[float], ignore: int | None
) -> tuple[np.ndarray, int]:
    """The map with objects of less than `least` pixels, by kind, given to what is around them most.

    What an edge cuts, and what nothing but ignored pixels surrounds, stays. Also says how many
    were given away.
    """
    cleared_HW, count = labels_HW, 0
    for kind, smallest in zip(kinds, least, strict=True):
        numbered_HW, found = ndimage.label(cleared_HW == kind, _TOUCHING)
        small = np.bincount(numbered_HW.ravel(), minlength=found + 1) < smallest
        small[0] = False
        for edge in (numbered_HW[0], numbered_HW[-1], numbered_HW[:, 0], numbered_HW[:, -1]):
            small[edge] = False
        if not small.any():
            continue
        if cleared_HW is labels_HW:
            cleared_HW = labels_HW.copy()
        boxes = ndimage.find_objects(numbered_HW)
        for number in np.flatnonzero(small).tolist():
            count += _given_away(cleared_HW, numbered_HW, number, boxes[number - 1], ignore)
    return cleared_HW, count


def _given_away(
    labels_HW: np.ndarray,
    numbered_HW: np.ndarray,
    number: int,
    box: tuple[slice, slice],
    ignore: int | None,
) -> bool:
    wide = tuple(slice(side.start - 1, side.stop + 1) for side in box)
    crumb = numbered_HW[wide] == number
    around = ndimage.binary_dilation(crumb, _TOUCHING) & ~crumb
    counts = np.bincount(labels_HW[wide][around], minlength=256)
    if ignore is not None:
        counts[ignore] = 0
    if not counts.any():
        return False
    labels_HW[wide][crumb] = counts.argmax()
    return True
