"""The block grid that JPEG leaves in pixels, whatever the file that they are in now is called.

JPEG rounds the cosine transform of blocks of 8 x 8 pixels to multiples of a step, most of the
highest frequencies to zero (Wallace, "The JPEG still picture compression standard", IEEE Trans.
Consumer Electronics 1992;38:xviii). Transformed again on the same grid, the pixels have next to
nothing there; on any other of the 64 places that a grid can have, the blocks are as full as in
images that never were a JPEG. Fan & de Queiroz, IEEE Trans. Image Processing 2003;12:230, find the
history of bitmaps by the same traces.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

BLOCK = 8
# Above the highest of 171 tiles that never were a JPEG; benchmarks/file_history.py has the table.
THRESHOLD = 0.1
# Fewer blocks a side do not tell the places of a grid apart.
SMALLEST_TILE = 6 * BLOCK
# Of a larger tile this corner is looked at: there is enough in it.
_LARGEST = 256
_FREQUENCIES = range(4, BLOCK)
# What rounding to 8 bits leaves of a coefficient that was zero.
_ROUNDING = 0.25


def grid_trace(luma_HW: Floats) -> float:
    """How much emptier blocks are on the emptiest grid than on the next one, in nats.

    About 0 without a grid, above `THRESHOLD` after JPEG; NaN in a tile that is too small.
    """
    if min(luma_HW.shape) < SMALLEST_TILE:
        return float("nan")
    cut_HW = luma_HW[:_LARGEST, :_LARGEST]
    lowest, next_one = np.sort(_fullness(cut_HW).ravel())[:2]
    return float(next_one - lowest)


def _fullness(luma_HW: Floats) -> Floats:
    """Mean logarithm of the energy at high frequencies, by where the grid begins (8, 8)."""
    down, across = ((side - BLOCK + 1) // BLOCK * BLOCK for side in luma_HW.shape)
    found = np.zeros((BLOCK, BLOCK))
    for row_wave in map(_wave, _FREQUENCIES):
        rows_HW = _sliding(luma_HW, row_wave, axis=0)[:down]
        for column_wave in map(_wave, _FREQUENCIES):
            coefficients = _sliding(rows_HW, column_wave, axis=1)[:, :across]
            energy = np.log(coefficients**2 + _ROUNDING)
            found += energy.reshape(-1, BLOCK, across // BLOCK, BLOCK).mean(axis=(0, 2))
    return found / len(_FREQUENCIES) ** 2


def _wave(frequency: int) -> Floats:
    """A row of the cosine transform of eight values."""
    wave: Floats = np.cos((2 * np.arange(BLOCK) + 1) * frequency * np.pi / (2 * BLOCK)) / 2
    return wave


def _sliding(values_HW: Floats, wave: Floats, axis: int) -> Floats:
    """The transform of the eight values from each one on, along an axis."""
    windows = np.lib.stride_tricks.sliding_window_view(values_HW, BLOCK, axis=axis)
    found: Floats = windows @ wave
    return found
