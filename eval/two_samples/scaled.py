"""A tile at several scales, by a network and by its textures, in one pass."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from eval.features.extractor import Extractor
from eval.two_samples import textures
from hpc.errors import InputError

SCALES = (1, 2, 4, 8)
# Narrower than this a tile is too small for the networks, and for textures.
SMALLEST_TILE = 16
NETWORK, TEXTURE = "network", "texture"
KINDS = (NETWORK, TEXTURE)


class ScaledExtractor:
    """What `extractor` and textures make of a tile averaged over 1, 2, 4 and 8 pixels a side.

    At scales that a tile is too small for, its features are 0.
    """

    def __init__(self, extractor: Extractor) -> None:
        self._extractor = extractor
        self.device = extractor.device
        self._widths = {NETWORK: extractor.dimension, TEXTURE: len(textures.NAMES)}
        self.dimension = len(SCALES) * sum(self._widths.values())
        self.identity = replace(
            extractor.identity,
            preprocessing=f"{extractor.identity.preprocessing}; tiles averaged over "
            f"{', '.join(map(str, SCALES))} pixels a side, with hand-made textures",
        )
        numbered = tuple(f"feature {number}" for number in range(extractor.dimension))
        self.names = {
            NETWORK: getattr(extractor, "feature_names", numbered),
            TEXTURE: textures.NAMES,
        }

    def __call__(self, tiles_NHWC: NDArray[np.uint8]) -> NDArray[np.floating]:
        """Features (N, dimension), float32: scale by scale, those of the network first."""
        return np.concatenate([self._at(tiles_NHWC, scale) for scale in SCALES], axis=1)

    def columns(self, kind: str, scale: int) -> slice:
        """Where the features of one kind at one scale stand."""
        start = SCALES.index(scale) * sum(self._widths.values())
        start += self._widths[NETWORK] if kind == TEXTURE else 0
        return slice(start, start + self._widths[kind])

    def _at(self, tiles_NHWC: NDArray[np.uint8], scale: int) -> NDArray[np.float32]:
        if not fits(tiles_NHWC.shape[1:3], scale):
            return np.zeros((len(tiles_NHWC), sum(self._widths.values())), np.float32)
        reduced = averaged(tiles_NHWC, scale)
        made = [self._extractor(reduced), np.stack([textures.texture(tile) for tile in reduced])]
        return np.concatenate(made, axis=1).astype(np.float32)


def fits(tile_size: tuple[int, ...], scale: int) -> bool:
    """Whether a tile of this (height, width) is large enough for a scale."""
    return min(tile_size) // scale >= SMALLEST_TILE


def averaged(tiles_NHWC: NDArray[np.uint8], scale: int) -> NDArray[np.uint8]:
    """Means over scale × scale pixels, rounded; rows and columns left over at the end are cut."""
    if scale < 1:
        raise InputError(f"A scale of {scale} is none. Take a whole number of pixels.")
    n, height, width, colours = tiles_NHWC.shape
    rows, columns = height // scale, width // scale
    blocks = tiles_NHWC[:, : rows * scale, : columns * scale].reshape(
        n, rows, scale, columns, scale, colours
    )
    return np.rint(blocks.mean(axis=(2, 4))).astype(np.uint8)
