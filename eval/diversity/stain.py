"""The stain of a tile: mean optical densities of its tissue, glass left out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from eval.features.extractor import Extractor

Floats = NDArray[np.float64]

# Mean density of the three colours from which on a pixel is tissue: 226 of 255.
TISSUE = 0.12
# A tile with less tissue has no stain that could be told.
FEWEST_SHARE = 0.05
COLOURS = ("red", "green", "blue")


def stain_of(image_HWC: NDArray[np.uint8]) -> Floats:
    """Mean density of red, green and blue over tissue (3,); NaN where there is too little."""
    density_HW3 = -np.log((image_HWC + 1.0) / 256)
    tissue = density_HW3.mean(axis=2) > TISSUE
    if tissue.mean() < FEWEST_SHARE:
        return np.full(3, np.nan)
    found: Floats = density_HW3[tissue].mean(axis=0)
    return found


class StainExtractor:
    """The features of `extractor`, then the stain of each tile, -1 where there is none."""

    def __init__(self, extractor: Extractor) -> None:
        self._extractor = extractor
        self.device = extractor.device
        self.dimension = extractor.dimension + len(COLOURS)
        self.identity = replace(
            extractor.identity, preprocessing=f"{extractor.identity.preprocessing}; with stains"
        )

    def __call__(self, tiles_NHWC: NDArray[np.uint8]) -> NDArray[np.floating]:
        """Features (N, D + 3), float32."""
        stains_N3 = np.stack([stain_of(tile_HWC) for tile_HWC in tiles_NHWC])
        made = self._extractor(tiles_NHWC), np.nan_to_num(stains_N3, nan=-1.0)
        return np.concatenate(made, axis=1).astype(np.float32)


def drift(canvas_HWC: NDArray[np.uint8], window: int) -> tuple[float, int]:
    """How far the stain moves from end to end of a canvas, and from how many windows it is known.

    A plane is fitted to the density of all windows with a stain; NaN from fewer than four.
    """
    height, width = canvas_HWC.shape[:2]
    rows = []
    for top in range(0, height - window + 1, window):
        for left in range(0, width - window + 1, window):
            stain = stain_of(canvas_HWC[top : top + window, left : left + window])
            rows.append([(top + window / 2) / height, (left + window / 2) / width, stain.mean()])
    known = np.array([row for row in rows if np.isfinite(row[2])]).reshape(-1, 3)
    if len(known) < 4:
        return float("nan"), len(known)
    design = np.column_stack([known[:, :2], np.ones(len(known))])
    slopes = np.linalg.lstsq(design, known[:, 2], rcond=None)[0][:2]
    return float(np.hypot(*slopes)), len(known)
