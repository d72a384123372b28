"""Numbers of a tile that tell of its file and its scanner more than of its tissue."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from eval.file_history.jpeg_grid import grid_trace
from histosyn.images.tiles import GLASS_VALUE

Floats = NDArray[np.float64]

JPEG_GRID = "jpeg_grid"
# Each trace by name, and as people call it.
TRACES = {
    JPEG_GRID: "strength of JPEG traces",
    "sharpness": "sharpness",
    "border_step": "step at the border",
    "border_brightness": "brightness of the border",
    "glass_brightness": "brightness of glass",
    "glass_red": "red tint of glass",
    "glass_blue": "blue tint of glass",
}
_LUMA = np.array([0.299, 0.587, 0.114])
# Less glass than this has no colour that could be told.
_FEWEST_GLASS = 0.01
# What lies so many pixels inside is compared with the border.
_INSIDE = 4
# Smaller steps between pixels are none: a flat tile has no sharpness.
_FLAT = 1e-3


def traces_of(tile_HWC: NDArray[np.uint8]) -> Floats:
    """The `TRACES` (7,) of a tile, uint8 RGB; NaN for what cannot be told of it."""
    luma_HW = tile_HWC @ _LUMA
    return np.array([grid_trace(luma_HW), _sharpness(luma_HW), *_border(luma_HW),
                     *_glass(tile_HWC)])  # fmt: skip


def _sharpness(luma_HW: Floats) -> float:
    """Logarithm of the second differences' energy over the variance: high for what is crisp."""
    if min(luma_HW.shape) < 3 or luma_HW.std() < _FLAT:
        return float("nan")
    energy = sum(float((np.diff(luma_HW, 2, axis=axis) ** 2).mean()) for axis in (0, 1))
    return float(np.log(max(energy, _FLAT**2) / luma_HW.var()))


def _border(luma_HW: Floats) -> tuple[float, float]:
    """Of the outermost pixels: their step to the next ones, over that inside, and how bright."""
    if min(luma_HW.shape) <= 4 * _INSIDE:
        return float("nan"), float("nan")
    sides = [np.rot90(luma_HW, turn) for turn in range(4)]
    at_border = np.mean([np.abs(side[0] - side[1]).mean() for side in sides])
    inside = np.mean([np.abs(side[_INSIDE] - side[_INSIDE + 1]).mean() for side in sides])
    brighter = np.mean([(side[0] - side[_INSIDE]).mean() for side in sides])
    return float(np.log((at_border + _FLAT) / (inside + _FLAT))), float(brighter)


def _glass(tile_HWC: NDArray[np.uint8]) -> tuple[float, float, float]:
    """Median green of the pixels that show glass, and how far red and blue are from it."""
    glass_P3 = tile_HWC[(tile_HWC > GLASS_VALUE).all(axis=2)]
    if len(glass_P3) < _FEWEST_GLASS * tile_HWC[..., 0].size:
        return (float("nan"),) * 3
    red, green, blue = np.median(glass_P3, axis=0)
    return float(green), float(red - green), float(blue - green)
