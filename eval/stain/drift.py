"""Drift: how far the stain moves from end to end of one large field, which has one stain."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from eval.stain.deconvolution import STAINS, Floats, tile_statistics

# A plane has three parameters.
_FEWEST_WINDOWS = 4


def drift(field_HWC: NDArray[np.uint8], window: int) -> tuple[Floats, int]:
    """Change of the mean amount of each stain (3,) along the steepest slope; of how many windows.

    A plane is fitted to the amounts in windows of `window` pixels side by side; the change is from
    one end of the field to the other. NaN from fewer than four windows with tissue.
    """
    height, width = field_HWC.shape[:2]
    places, amounts = [], []
    for top in range(0, height - window + 1, window):
        for left in range(0, width - window + 1, window):
            part = field_HWC[top : top + window, left : left + window]
            found = tile_statistics(part)[: len(STAINS)]
            if np.isfinite(found).all():
                places.append([(top + window / 2) / height, (left + window / 2) / width, 1.0])
                amounts.append(found)
    if len(places) < _FEWEST_WINDOWS:
        return np.full(len(STAINS), np.nan), len(places)
    slopes = np.linalg.lstsq(np.array(places), np.array(amounts), rcond=None)[0][:2]
    change: Floats = np.hypot(slopes[0], slopes[1])
    return change, len(places)
