"""Augmentation that moves tile and label map together, keyed by (seed, epoch, sample)."""

from __future__ import annotations

import numpy as np

from hpc.randomness import integers, key_of

_TURNS = 4


def random_crop(
    tile_HWC: np.ndarray, labels_HW: np.ndarray, *, key: int, crop: int
) -> tuple[np.ndarray, np.ndarray]:
    """A square of `crop` pixels a side, anywhere."""
    row, column = (int(x) for x in integers(key, np.arange(2), 1 << 30))
    window = crop_window(labels_HW.shape, crop, row, column)
    return tile_HWC[window], labels_HW[window]


def random_orientation(
    tile_HWC: np.ndarray, labels_HW: np.ndarray, *, key: int
) -> tuple[np.ndarray, np.ndarray]:
    """Random flip and random quarter turns.

    Tissue has no up: all eight orientations are equally likely. A tile that isn't square is only
    flipped and turned by half, so that its shape stays.
    """
    flip, turns = (int(x) for x in integers(key, np.arange(2, 4), 1 << 30))
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
    top, left = row % (height - crop + 1), column % (width - crop + 1)
    return slice(top, top + crop), slice(left, left + crop)
