"""Flips and quarter turns: the eight ways to lay a square on itself."""

from __future__ import annotations

import numpy as np

# Turns by half and flips keep the shape; the other four swap height and width.
KEEPING_SHAPE = 4
ALL = 8


def flipped(labels_HW: np.ndarray, symmetry: int) -> np.ndarray:
    """The map under symmetry 0 (as it is) to 7; from 4 on height and width change places."""
    turned_HW = labels_HW.T if symmetry >= KEEPING_SHAPE else labels_HW
    rows, columns = 1 - 2 * (symmetry & 1), 1 - (symmetry & 2)
    return np.ascontiguousarray(turned_HW[::rows, ::columns])
