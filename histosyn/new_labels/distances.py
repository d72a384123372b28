"""Distance from the outlines of larger objects, in bins, and the direction to them."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

# In radii of the usual object, negative outside.
_EDGES = np.array([-8.0, -4.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0, 6.0, 9.0])
BINS = len(_EDGES) + 1
_SMOOTH = 2.0


def bins_of(larger_HW: np.ndarray, unit: float) -> np.ndarray:
    """The bin of each pixel, int64 (H, W); all the same where there is no larger object."""
    if not larger_HW.any():
        return np.zeros(larger_HW.shape, dtype=np.int64)
    return np.asarray(np.digitize(_depth(larger_HW) / unit, _EDGES))


def toward(larger_HW: np.ndarray) -> np.ndarray | None:
    """The direction, in radians, across the nearest outline, (H, W); None where there is none."""
    if not larger_HW.any() or larger_HW.all():
        return None
    rows_HW, columns_HW = np.gradient(ndimage.gaussian_filter(_depth(larger_HW), _SMOOTH))
    return np.asarray(np.arctan2(rows_HW, columns_HW))


def _depth(larger_HW: np.ndarray) -> np.ndarray:
    """Pixels below the outline, negative outside."""
    inside = ndimage.distance_transform_edt(larger_HW)
    if larger_HW.all():
        return np.asarray(inside)
    return np.asarray(inside - ndimage.distance_transform_edt(~larger_HW))
