"""Augmentation of a tile and its label map, keyed by (seed, epoch, sample).

Crops and orientations move tile and label map together; stain jitter changes the tile's colours.
Under one key, crop draws the random numbers 0-1, orientation 2-3 and stain jitter 4-7.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from histosyn.stain.vectors import EOSIN, HEMATOXYLIN
from hpc.randomness import integers, key_of, uniform

_TURNS = 4

# Optical densities in integers: sums are exact, the same in every window.
_STEPS_PER_NEPER = 4096
# Of the values 0..255, so that pure white has density 0 and pure black a finite one.
_DENSITY = -np.log((np.arange(256) + 1) / 256)
_VALUE_OF_STEPS = np.rint(
    256 * np.exp(-np.arange(int(_DENSITY[0] * _STEPS_PER_NEPER) + 1) / _STEPS_PER_NEPER) - 1
).astype(np.uint8)


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """What is done to each sample: a crop in pixels, flips and turns, jitter of the stains."""

    crop: int | None = None
    oriented: bool = True
    stain_jitter: float = 0.0

    def __call__(
        self, tile_HWC: np.ndarray, labels_HW: np.ndarray, *, key: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Tile uint8 (H, W, 3) and label map uint8 (H, W), augmented under `key`."""
        if self.crop is not None:
            tile_HWC, labels_HW = random_crop(tile_HWC, labels_HW, key=key, crop=self.crop)
        if self.oriented:
            tile_HWC, labels_HW = random_orientation(tile_HWC, labels_HW, key=key)
        if self.stain_jitter:
            tile_HWC = stain_jitter(tile_HWC, key=key, strength=self.stain_jitter)
        return tile_HWC, labels_HW


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


def stain_jitter(tile_HWC: np.ndarray, *, key: int, strength: float) -> np.ndarray:
    """The tile, uint8 (H, W, 3), as if more or less of each stain had been used.

    The concentration c of haematoxylin, and likewise of eosin, becomes α·c + β·t with α uniform in
    [1 - strength, 1 + strength] and β in [-strength, strength] (Tellez et al., IEEE Trans. Med.
    Imaging 37, 2018); what is neither stain stays. There t is 1; here it is the pixel's
    concentration of both stains, because a constant would tint the glass. So every change is
    proportional to the density: white (255) stays white, and glass of value 240 moves by at most
    65 · strength. `strength` lies in [0, 1); at 0 every value stays as it is.
    """
    steps = np.rint(_STEPS_PER_NEPER * _DENSITY[:, None, None] * _jittered_stains(key, strength))
    steps = steps.astype(np.int32)  # (value, channel it is in, channel it contributes to)
    density_HWC = steps[:, 0].take(tile_HWC[..., 0], axis=0)
    density_HWC += steps[:, 1].take(tile_HWC[..., 1], axis=0)
    density_HWC += steps[:, 2].take(tile_HWC[..., 2], axis=0)
    np.clip(density_HWC, 0, len(_VALUE_OF_STEPS) - 1, out=density_HWC)
    return _VALUE_OF_STEPS.take(density_HWC)


def augmentation_key(seed: int, epoch: int, sample_key: str, repeat: int = 0) -> int:
    """The key under which a sample is augmented in an epoch, for the `repeat`-th time."""
    return key_of(seed, "augment", epoch, sample_key, *((repeat,) if repeat else ()))


def crop_window(shape: tuple[int, ...], crop: int, row: int, column: int) -> tuple[slice, slice]:
    """The square window of `crop` pixels at (row, column), wrapped into what the shape allows."""
    height, width = shape[:2]
    top, left = row % (height - crop + 1), column % (width - crop + 1)
    return slice(top, top + crop), slice(left, left + crop)


def _jittered_stains(key: int, strength: float) -> np.ndarray:
    """(3, 3): optical densities of a pixel as a row, times this, are its jittered ones."""
    scale = strength * (2 * uniform(key, np.arange(4, 8)) - 1)
    change = np.zeros((3, 3))  # of the concentrations: haematoxylin, eosin, and what is neither
    change[0, 0], change[1, 1] = scale[:2]
    change[:2, :2] += scale[2:]
    stains = np.array([HEMATOXYLIN, EOSIN])
    stains = np.vstack([stains, np.cross(*stains)])
    return np.eye(3) + np.linalg.inv(stains) @ change @ stains
