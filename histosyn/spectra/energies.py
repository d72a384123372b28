"""Energies of a tile, and what two sets of tiles have of them: synthetic over real.

Each number is a product of powers of mean energies, so that its logarithm is linear in theirs: a
row of `EXPONENTS`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from histosyn.spectra.density import Floats, optical_density
from histosyn.spectra.radial import BANDS, SMALLEST_TILE, band_name, radial_spectrum
from histosyn.spectra.weave import PERIODS, weave_energy

SPECTRUM_NAMES = tuple(f"spectrum_{band_name(band)}" for band in BANDS)
WEAVE_NAMES = tuple(f"weave_{period}" for period in PERIODS)
NAMES = (*SPECTRUM_NAMES, *WEAVE_NAMES)
# Of a weave there is the energy at the period, and that of its slower and faster neighbours.
DIMENSION = len(BANDS) + 3 * len(PERIODS)


def tile_energies(tile_HWC: NDArray[np.uint8]) -> Floats:
    """The energies (26,) of one tile, uint8 RGB; 0 for those that it is too small for."""
    density_HW = optical_density(tile_HWC)
    # Of smaller tiles some bands would lack the frequencies that others have.
    large = min(density_HW.shape) >= SMALLEST_TILE
    radial = radial_spectrum(density_HW) if large else np.zeros(len(BANDS))
    weaves = [weave_energy(density_HW, period) for period in PERIODS]
    return np.nan_to_num(np.concatenate([radial, *weaves]))


def ratios(real_D: Floats, synthetic_D: Floats) -> Floats:
    """The `NAMES` numbers (16,) of mean energies (26,); NaN where a side has no energy."""
    found: Floats = np.exp(_logarithms(synthetic_D) - _logarithms(real_D))
    return found


def _logarithms(mean_D: Floats) -> Floats:
    """Of the numbers of one side (16,); NaN where one of their energies is zero."""
    missing = (EXPONENTS != 0) @ (mean_D <= 0) > 0
    return np.where(missing, np.nan, EXPONENTS @ np.log(np.where(mean_D > 0, mean_D, 1)))


def _exponents() -> Floats:
    bands = len(BANDS)
    rows = np.zeros((len(NAMES), DIMENSION))
    rows[:bands, :bands] = np.eye(bands)
    for number in range(len(PERIODS)):
        first = bands + 3 * number
        rows[bands + number, first : first + 3] = 1, -0.5, -0.5
    return rows


# (16, 26): of each number the exponents of the energies that it is made of.
EXPONENTS = _exponents()
