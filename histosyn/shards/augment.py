"""Augmentation that moves tile and label map together, keyed by (seed, epoch, sample)."""

from __future__ import annotations

import numpy as np

from hpc.errors import ConfigError
from hpc.randomness import integers, key_of

_TURNS = 4


def augment(
    tile_HWC: np.ndarray, labels_HW: np.ndarray, *, key: int, crop: int | None
) -> tuple[np.ndarray, np.ndarray]:
    """Random crop to `crop` pixels a side (None: none), random flip, random quarter turns.

    Tissue has no up: all eight orientations are equally likely. A tile that isn't square is only
    flipped and turned by half, so that its shape stays.
    """
    row, column, flip, turns = (int(x) for x in integers(key, np.arange(4), 1 << 30))
    if crop is not None:
        window = crop_window(labels_HW.shape, crop, row, column)
        tile_HWC, labels_HW = tile_HWC[window], labels_HW[window]
    quarter_turns = turns % _TURNS if labels_HW.shape[0] == labels_HW.shape[1] else turns % 2 * 2
    return tuple(  # type: ignore[return-value]
        np.ascontiguousarray(np.rot90(array[:, ::-1] if flip % 2 else array, quarter_turns))
        for array in (tile_HWC, labels_HW)
    )


def augmentation_key(seed: int, epoch: int, sample_key: str) -> int:
    """The key under which a sample is augmented in an epoch."""
    return key_of(seed, "augment", epoch, sample_key)


def crop_window(shape: tuple[int, ...], crop: int, row: int, column: int) -> tuple[slice, slice]:
    """The square window of `crop` pixels at (row, column), wrapped into what the shape allows."""
    height, width = shape[:2]
    if crop > min(height, width):
        raise ConfigError(
            f"data.crop = {crop} is larger than the packed tiles ({height}x{width} pixels). "
            "Choose a smaller crop or pack larger tiles."
        )
    top, left = row % (height - crop + 1), column % (width - crop + 1)
    return slice(top, top + crop), slice(left, left + crop)
