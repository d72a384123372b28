"""From a large tile and its label map to samples of one size and resolution."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from PIL import Image

from hpc.errors import DatasetError


def resample(
    tile_HWC: np.ndarray, labels_HW: np.ndarray, scale: float
) -> tuple[np.ndarray, np.ndarray]:
    """Resize by `scale`: tiles with antialiasing, label maps by the nearest pixel."""
    if scale == 1:
        return tile_HWC, labels_HW
    height, width = labels_HW.shape
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    tile = Image.fromarray(tile_HWC).resize(size, Image.Resampling.LANCZOS)
    labels = Image.fromarray(labels_HW).resize(size, Image.Resampling.NEAREST)
    return np.asarray(tile), np.asarray(labels)


def grid_windows(
    shape: tuple[int, int], size: int, name: str
) -> Iterator[tuple[int, int, tuple[slice, slice]]]:
    """Row, column and window of each square of a grid that lies centred in `shape`.

    Raises DatasetError if not even one square fits.
    """
    height, width = shape
    if min(height, width) < size:
        raise DatasetError(
            f"{name} is {height}x{width} pixels, too small for tiles of {size}. "
            "Choose a smaller --tile-size or leave the file out."
        )
    rows, columns = height // size, width // size
    top, left = (height - rows * size) // 2, (width - columns * size) // 2
    for row in range(rows):
        for column in range(columns):
            y, x = top + row * size, left + column * size
            yield row, column, (slice(y, y + size), slice(x, x + size))
