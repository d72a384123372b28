"""Resizing tiles and label maps to another resolution."""

from __future__ import annotations

import numpy as np
from PIL import Image

from histosyn.images.limits import MAX_PIXELS
from hpc.errors import DatasetError


def resample(
    tile_HWC: np.ndarray, labels_HW: np.ndarray, scale: float
) -> tuple[np.ndarray, np.ndarray]:
    """Resize by `scale`: tiles with antialiasing, label maps by the nearest pixel.

    Picking pixels of a tile would fold chromatin finer than the new pixels into coarse patterns
    that no microscope shows, and the generator would learn them; LANCZOS averages over what a new
    pixel covers. Classes have no averages.
    """
    if scale == 1:
        return tile_HWC, labels_HW
    height, width = resampled_size(labels_HW.shape, scale)
    tile = Image.fromarray(tile_HWC).resize((width, height), Image.Resampling.LANCZOS)
    return np.asarray(tile), resample_labels(labels_HW, scale)


def resample_labels(labels_HW: np.ndarray, scale: float) -> np.ndarray:
    """A label map resized by `scale`. Raises DatasetError if it would be too large."""
    height, width = resampled_size(labels_HW.shape, scale)
    return np.asarray(Image.fromarray(labels_HW).resize((width, height), Image.Resampling.NEAREST))


def resampled_size(size: tuple[int, ...], scale: float) -> tuple[int, int]:
    """`scaled_size`; DatasetError if that is too large."""
    height, width = scaled_size(size, scale)
    if height * width > MAX_PIXELS:
        raise DatasetError(
            f"{size[1]}x{size[0]} pixels would become {width}x{height} at that resolution. "
            "Check the microns per pixel that were given."
        )
    return height, width


def scaled_size(size: tuple[int, ...], scale: float) -> tuple[int, int]:
    """Height and width after `resample`."""
    height, width = size
    return max(round(height * scale), 1), max(round(width * scale), 1)
