"""The weave: energy at the periods of a generator's grid, along the axes, where tissue is even.

A generator that doubles its grid by repetition, and pads with zeros, prints the grid: waves of
period 2, 4, 8, 16 and 32 pixels along both axes. They show where nothing else is going on, so that
only the evenest windows of a tile are looked at. What is there at a period is held against its
neighbours in frequency, because tissue has energy at every period, too.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from histosyn.spectra.density import Floats, power

PERIODS = (2, 4, 8, 16, 32)
# A window holds eight waves, if the tile does; four at least, or the neighbours are no neighbours.
_WAVES, _FEWEST_WAVES = 8, 4
_SMALLEST_WINDOW, _LARGEST_WINDOW = 32, 128
# A Hann window smears a wave over its two neighbours in frequency.
_SMEAR = 1
# Of the windows of a tile, so many are even.
_EVEN_SHARE = 0.25
# Mean power of rounding to 8 bits where tissue is pale: windows are no evener than that.
_ROUNDING = 1e-6


def window_side(period: int, shortest: int) -> int | None:
    """Pixels a side of the windows for a period, in a tile of this shortest side; None for none."""
    side = min(max(_WAVES * period, _SMALLEST_WINDOW), _LARGEST_WINDOW)
    while side > shortest:
        side //= 2
    return side if side >= max(_FEWEST_WAVES * period, _SMALLEST_WINDOW) else None


def weave_energy(density_HW: Floats, period: int) -> Floats:
    """Mean power (3,) over the even windows: at the period, and beside it, slower and faster.

    Along both axes, the mean of them, in units of each window's power off the axes: a weave that
    shows in pale stroma is to count as much as one in dark nuclei. NaN where the tile is too small
    for this period.
    """
    side = window_side(period, min(density_HW.shape))
    if side is None:
        return np.full(3, np.nan)
    powers = [power(window_HW) for window_HW in _windows(density_HW, side)]
    even = np.argsort([_unevenness(each) for each in powers], kind="stable")
    chosen = even[: max(round(_EVEN_SHARE * len(powers)), 1)]
    found: Floats = np.mean([_in_units(powers[number], period) for number in chosen], axis=0)
    return found


def _in_units(power_HW: Floats, period: int) -> Floats:
    return _along_axes(power_HW, period) / (_unevenness(power_HW) + _ROUNDING)


def _windows(density_HW: Floats, side: int) -> Iterator[Floats]:
    """Overlapping by half, from the corner on; what is left over at the far ends is not seen."""
    height, width = density_HW.shape
    for top in range(0, height - side + 1, side // 2):
        for left in range(0, width - side + 1, side // 2):
            yield density_HW[top : top + side, left : left + side]


def _unevenness(power_HW: Floats) -> float:
    """Mean power off the axes: that of tissue, without that of a weave."""
    off = slice(_SMEAR + 1, -_SMEAR)
    return float(power_HW[off, off].mean())


def _along_axes(power_HW: Floats, period: int) -> Floats:
    """Power (3,) at the period and at the two frequencies on either side that it does not reach."""
    axis = (power_HW[0] + power_HW[:, 0]) / 2
    wave = len(axis) // period
    # Nearer to zero frequency there are few: one neighbour then, where two would be the mean's.
    count = 2 if wave > _FEWEST_WAVES else 1
    beside = range(_SMEAR + 1, _SMEAR + 1 + count)
    slower, faster = (
        np.mean([axis[(wave + sign * step) % len(axis)] for step in beside]) for sign in (-1, 1)
    )
    return np.array([axis[wave], slower, faster])


def weave_contrast(energy_3: Floats) -> float:
    """Power at a period over the geometric mean of its neighbours; NaN where they have none.

    1 for white noise, nearly so for power laws; n + 1 for a wave that adds n times the neighbours'.
    """
    at, slower, faster = energy_3
    between = np.sqrt(slower * faster)
    return float(at / between) if between > 0 else float("nan")
