"""Hand-made features of a tile's texture: what no network was trained to see, or to overlook."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from histosyn.spectra.density import Floats, optical_density
from histosyn.spectra.radial import BANDS, SMALLEST_TILE, band_name, radial_spectrum

_COLOURS = ("red", "green", "blue")
_MOMENTS = ("mean", "spread", "skewness", "kurtosis")
_LBP_RADII = (1, 2)
_LBP_BINS = 10
# Of a power that may be zero, in glass.
_SMALLEST_POWER = 1e-9

NAMES = (
    *(f"{moment} of {colour} density" for moment in _MOMENTS for colour in _COLOURS),
    *(f"energy at {band_name(band)} cycles a pixel" for band in BANDS),
    *(
        f"local binary pattern {pattern} at radius {radius}"
        for radius in _LBP_RADII
        for pattern in range(_LBP_BINS)
    ),
    "mean of gradients",
    "spread of gradients",
    "90th percentile of gradients",
    "gradients across over down",
)


def texture(tile_HWC: NDArray[np.uint8]) -> Floats:
    """The features (47,) called `NAMES` of a tile, uint8 RGB, from 8 pixels a side on."""
    density_HW = optical_density(tile_HWC)
    large = min(density_HW.shape) >= SMALLEST_TILE
    radial = radial_spectrum(density_HW) if large else np.ones(len(BANDS))
    return np.concatenate(
        [
            _moments(tile_HWC),
            np.log(radial + _SMALLEST_POWER),
            *(binary_patterns(density_HW, radius) for radius in _LBP_RADII),
            _gradients(density_HW),
        ]
    )


def _moments(tile_HWC: NDArray[np.uint8]) -> Floats:
    """Four moments of the density of each colour."""
    density_P3 = -np.log((tile_HWC.reshape(-1, 3) + 1.0) / 256)
    mean = density_P3.mean(axis=0)
    spread = density_P3.std(axis=0)
    standard = (density_P3 - mean) / np.maximum(spread, _SMALLEST_POWER)
    return np.concatenate([mean, spread, (standard**3).mean(axis=0), (standard**4).mean(axis=0)])


def binary_patterns(density_HW: Floats, radius: int) -> Floats:
    """Shares (10,) of uniform local binary patterns: the neighbours that are no less dense.

    Ojala, Pietikäinen & Mäenpää, IEEE TPAMI 2002;24:971: eight neighbours, here on a square ring.
    Patterns 0 to 8 have so many of them in one arc; pattern 9 is all that have several arcs.
    """
    r, (height, width) = radius, density_HW.shape
    centre = density_HW[r : height - r, r : width - r]
    around = ((-r, -r), (-r, 0), (-r, r), (0, r), (r, r), (r, 0), (r, -r), (0, -r))
    dense_8HW = np.stack(
        [
            density_HW[r + down : height - r + down, r + across : width - r + across] >= centre
            for down, across in around
        ]
    )
    arcs = (dense_8HW != np.roll(dense_8HW, 1, axis=0)).sum(axis=0)
    pattern = np.where(arcs <= 2, dense_8HW.sum(axis=0), _LBP_BINS - 1)
    found: Floats = np.bincount(pattern.ravel(), minlength=_LBP_BINS) / pattern.size
    return found


def _gradients(density_HW: Floats) -> Floats:
    down, across = np.gradient(density_HW)
    steepness = np.hypot(down, across)
    energies = (across**2).mean() + _SMALLEST_POWER, (down**2).mean() + _SMALLEST_POWER
    return np.array(
        [
            steepness.mean(),
            steepness.std(),
            np.percentile(steepness, 90),
            np.log(energies[0] / energies[1]),
        ]
    )
