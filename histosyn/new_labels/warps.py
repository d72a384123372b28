"""Turns by any angle, a change of scale, and smooth bending: the same tissue, laid otherwise."""

from __future__ import annotations

import math

import numpy as np

from histosyn.new_labels.displacement import looked_up, smooth_displacement

# Of the shorter side: over this length the bending changes.
_LENGTH_SHARE = 1 / 6
_SHORTEST_LENGTH = 12.0
# Pixels aside for each pixel on: what is two pixels wide keeps at least 1 / 1.25 of that.
STEEPEST = 0.25


def warped(
    labels_HW: np.ndarray, rng: np.random.Generator, *, turn: float, zoom: float, bend: float
) -> np.ndarray:
    """Turn by `turn` degrees, enlarge by `zoom`, and bend by up to `bend` pixels.

    Each new pixel is a pixel of the old map; beyond the edges that is mirrored.
    """
    height, width = labels_HW.shape
    rows_HW, columns_HW = np.indices((height, width), dtype=np.float64)
    rows_HW -= (height - 1) / 2
    columns_HW -= (width - 1) / 2
    cos, sin = (f(math.radians(turn)) / zoom for f in (math.cos, math.sin))
    from_rows = cos * rows_HW + sin * columns_HW + (height - 1) / 2
    from_columns = cos * columns_HW - sin * rows_HW + (width - 1) / 2
    if bend > 0:
        length = max(min(height, width) * _LENGTH_SHARE, _SHORTEST_LENGTH)
        aside = smooth_displacement(
            rng, (height, width), most=bend, length=length, steepest=STEEPEST
        )
        from_rows, from_columns = from_rows + aside[0], from_columns + aside[1]
    return looked_up(labels_HW, from_rows, from_columns)
