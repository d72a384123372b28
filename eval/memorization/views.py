"""A tile as its neighbours are looked for: features of a network, and pixels, turned or not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from eval.features.extractor import Extractor
from eval.memorization.neighbours import symmetries_of, turned
from hpc.errors import InputError

FEATURES, PIXELS = "features", "pixels"
SPACES = (FEATURES, PIXELS)
# A tile averaged to so many pixels a side: its layout and its colours, without grain.
THUMBNAIL = 16
PIXEL_NUMBERS = THUMBNAIL * THUMBNAIL * 3


class ViewExtractor:
    """The features of `extractor`, then the pixels of a thumbnail in [0, 1]; of `turns` turns.

    Raises InputError, while extracting, for a tile that cannot be turned so.
    """

    def __init__(self, extractor: Extractor, turns: tuple[int, ...] = (0,)) -> None:
        self._extractor = extractor
        self._turns = turns
        self.device = extractor.device
        self.width = extractor.dimension + PIXEL_NUMBERS
        self.dimension = self.width * len(turns)
        self.identity = replace(
            extractor.identity,
            preprocessing=f"{extractor.identity.preprocessing}; with thumbnails, turns {turns}",
        )

    def __call__(self, tiles_NHWC: NDArray[np.uint8]) -> NDArray[np.floating]:
        """Views (N, turns x width), float32."""
        if len(tiles_NHWC) and not set(self._turns) <= set(symmetries_of(tiles_NHWC[0])):
            raise InputError("Tiles of one folder are square and others are not. Sort them.")
        views = [self._view(np.stack([turned(tile, turn) for tile in tiles_NHWC]))
                 for turn in self._turns]  # fmt: skip
        return np.concatenate(views, axis=1)

    def _view(self, tiles_NHWC: NDArray[np.uint8]) -> NDArray[np.float32]:
        pixels = [_thumbnail(tile_HWC) for tile_HWC in tiles_NHWC]
        made = self._extractor(tiles_NHWC), np.stack(pixels)
        return np.concatenate(made, axis=1).astype(np.float32)

    def columns(self, space: str) -> slice:
        """Where one space stands in a view."""
        border = self.width - PIXEL_NUMBERS
        return slice(0, border) if space == FEATURES else slice(border, self.width)


def _thumbnail(tile_HWC: NDArray[np.uint8]) -> NDArray[np.float64]:
    image = Image.fromarray(tile_HWC).resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX)
    return np.asarray(image, np.float64).reshape(-1) / 255
