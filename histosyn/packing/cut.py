"""From a large tile and its label map to samples of one size and resolution."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image

from histosyn.image_limits import MAX_PIXELS
from hpc.errors import DatasetError


@dataclass(frozen=True, kw_only=True)
class Window:
    """A square of the grid: its row and column there, and what it cuts out of an array."""

    row: int
    column: int
    area: tuple[slice, slice]


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


def grid_windows(
    shape: tuple[int, int], size: int, name: str, overlap: int = 0
) -> Iterator[Window]:
    """The squares of a grid that lies centred in `shape`, each `overlap` pixels into the next.

    Raises DatasetError, calling the file `name`, if not even one square fits.
    """
    height, width = shape
    if min(height, width) < size:
        raise DatasetError(
            f"{name} is {width}x{height} pixels, too small for tiles of {size}. "
            "Choose a smaller --tile-size or leave the file out."
        )
    for row, y in enumerate(_starts(height, size, size - overlap)):
        for column, x in enumerate(_starts(width, size, size - overlap)):
            area = (slice(y, y + size), slice(x, x + size))
            yield Window(row=row, column=column, area=area)


def _starts(length: int, size: int, stride: int) -> range:
    count = (length - size) // stride + 1
    covered = (count - 1) * stride + size
    first = (length - covered) // 2
    return range(first, first + count * stride, stride)
