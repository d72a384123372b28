"""Boundaries as another hand would have drawn them: a pixel or two to this side or to that."""

from __future__ import annotations

import numpy as np

from histosyn.new_labels.displacement import looked_up, smooth_displacement

# A hand's tremor changes over so many pixels.
_LENGTH = 4.0
_STEEPEST = 0.5


def roughened(
    labels_HW: np.ndarray, rng: np.random.Generator, *, most: float, ignore: int | None
) -> np.ndarray:
    """Move boundaries by at most `most` pixels; ignored pixels stay where they are."""
    aside = smooth_displacement(rng, labels_HW.shape, most=most, length=_LENGTH, steepest=_STEEPEST)
    rows_HW, columns_HW = np.indices(labels_HW.shape, dtype=np.float64)
    moved_HW = looked_up(labels_HW, rows_HW + aside[0], columns_HW + aside[1])
    if ignore is None:
        return moved_HW
    stays_HW = (labels_HW == ignore) | (moved_HW == ignore)
    return np.where(stays_HW, labels_HW, moved_HW)
