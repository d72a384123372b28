"""Optical density, in which stains add up, and windows of it ready for a Fourier transform."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def optical_density(tile_HWC: NDArray[np.uint8]) -> Floats:
    """-ln((value + 1) / 256), the mean of red, green and blue: (H, W), 0 for white, at most 5.5."""
    density_of_value = -np.log(np.arange(1, 257) / 256)
    found: Floats = density_of_value[tile_HWC].mean(axis=2)
    return found


def power(density_HW: Floats) -> Floats:
    """|Fourier transform|² (H, W) under a Hann window, per pixel, without the mean.

    Divided by the window's energy: white noise of variance s² has the expectation s² at every
    frequency. Without a window the ends of a tile, which do not meet, would make a cross of energy
    along the axes, where a weave is looked for.
    """
    window_HW = np.multiply.outer(*(np.hanning(side + 1)[:-1] for side in density_HW.shape))
    mean = (density_HW * window_HW).sum() / window_HW.sum()
    transform = np.fft.fft2((density_HW - mean) * window_HW)
    found: Floats = np.abs(transform) ** 2 / (window_HW**2).sum()
    return found
