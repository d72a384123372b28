"""The radial spectrum: how much a tile changes at which scale, whatever the direction."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from histosyn.spectra.density import Floats, power

# Cycles a pixel: ten rings up to the finest wave along an axis (period 2), and the corner beyond,
# which only oblique waves reach.
EDGES = (*(ring / 20 for ring in range(11)), 0.5**0.5)
BANDS = tuple(pairwise(EDGES))
# The shortest side whose slowest wave lies in the first ring.
SMALLEST_TILE = 32


def radial_spectrum(density_HW: Floats) -> Floats:
    """Mean power (11,) in each of the `BANDS`; NaN in one without a frequency of this tile."""
    frequencies = [np.fft.fftfreq(side) for side in density_HW.shape]
    radius_HW = np.hypot(frequencies[0][:, None], frequencies[1])
    # A band has its upper edge, so that period 2 is in the tenth; frequency 0 is no change at all.
    band_HW = np.minimum(np.searchsorted(EDGES, radius_HW) - 1, len(BANDS) - 1)
    moving = radius_HW > 0
    sums, counts = (
        np.bincount(band_HW[moving], weights=weights, minlength=len(BANDS))
        for weights in (power(density_HW)[moving], None)
    )
    with np.errstate(invalid="ignore"):
        found: Floats = sums / counts
    return found


def band_name(band: tuple[float, float]) -> str:
    """Such as "0.05-0.10", in cycles a pixel."""
    return f"{band[0]:.2f}-{band[1]:.2f}"
