"""Parts of two label maps joined where it shows least: along borders of classes, past objects.

The seam is the cheapest path from edge to edge (minimum error boundary cut: Efros & Freeman, "Image
quilting for texture synthesis and transfer", SIGGRAPH 2001).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

# Of a pixel of the seam: nothing changes there; there is a border already; something new meets.
_SAME, _BORDER, _NEW = 0.02, 0.3, 1.0
# It cuts an object.
_OBJECT = 2.0
# Per width of the map away from where the seam is wished.
_DETOUR = 1.0


def joined(
    first_HW: np.ndarray, second_HW: np.ndarray, kinds: Sequence[int], middle: float
) -> np.ndarray:
    """The first map on the left, the second on the right of a seam near `middle` of the width."""
    cost_HW = seam_cost(first_HW, second_HW, kinds)
    width = cost_HW.shape[1]
    cost_HW += _DETOUR * np.abs(np.arange(width) / width - middle)
    columns_H = cheapest_path(cost_HW)
    return np.where(np.arange(width) < columns_H[:, None], first_HW, second_HW)


def seam_cost(first_HW: np.ndarray, second_HW: np.ndarray, kinds: Sequence[int]) -> np.ndarray:
    """What it costs that a seam runs through each pixel, float64 (H, W)."""
    border_HW = _at_border(first_HW) | _at_border(second_HW)
    cost_HW = np.where(first_HW == second_HW, _SAME, np.where(border_HW, _BORDER, _NEW))
    if kinds:
        is_kind = np.zeros(256, dtype=bool)
        is_kind[list(kinds)] = True
        cost_HW = cost_HW + _OBJECT * (is_kind[first_HW] | is_kind[second_HW])
    return cost_HW


def cheapest_path(cost_HW: np.ndarray) -> np.ndarray:
    """The column in each row of the cheapest path from top to bottom, int64 (H,).

    From a row to the next it moves by one column at most.
    """
    height, width = cost_HW.shape
    total = cost_HW[0].copy()
    steps_HW = np.zeros((height, width), dtype=np.int8)
    for row in range(1, height):
        ways = np.stack([np.append(np.inf, total[:-1]), total, np.append(total[1:], np.inf)])
        # The middle one where they cost the same.
        best = np.where(ways[1] <= np.minimum(ways[0], ways[2]), 1, ways.argmin(axis=0))
        steps_HW[row] = best - 1
        total = np.take_along_axis(ways, best[None], axis=0)[0] + cost_HW[row]
    columns_H = np.empty(height, dtype=np.int64)
    columns_H[-1] = total.argmin()
    for row in range(height - 1, 0, -1):
        columns_H[row - 1] = columns_H[row] + steps_HW[row, columns_H[row]]
    return columns_H


def _at_border(labels_HW: np.ndarray) -> np.ndarray:
    border_HW = np.zeros(labels_HW.shape, dtype=bool)
    border_HW[:, 1:] = labels_HW[:, 1:] != labels_HW[:, :-1]
    border_HW[1:] |= labels_HW[1:] != labels_HW[:-1]
    return border_HW
