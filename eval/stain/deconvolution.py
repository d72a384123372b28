"""Colour deconvolution of H&E, and a tile's statistics of it.

Ruifrok & Johnston, "Quantification of histochemical staining by color deconvolution", Anal. Quant.
Cytol. Histol. 2001;23:291: optical densities -log10(transmitted / incident) of the three colours
are sums of the stains' unit vectors, each times its amount. The third vector is what neither
hematoxylin nor eosin explains, at right angles to both. Vectors and what counts as tissue are those
of the stain that a generator takes (`histosyn.stain`), whose densities are natural logarithms: here
they are decadic, as in papers.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from histosyn.stain.code import TISSUE_DENSITY
from histosyn.stain.names import STAINS
from histosyn.stain.vectors import unmixing

Floats = NDArray[np.float64]

# Of a tile: how much there is of each stain where there is tissue, and how that varies in it.
STATISTICS = (*STAINS, *(f"{stain}_spread" for stain in STAINS))
# Mean density of the three colours from which on a pixel is tissue.
TISSUE = TISSUE_DENSITY / float(np.log(10))
# A tile with less tissue, or a class with a smaller share of it, has no stain that could be told.
FEWEST_SHARE = 0.02


def stain_vectors() -> Floats:
    """Unit vectors (3, 3) of optical density in red, green and blue: one row a stain."""
    found: Floats = np.linalg.inv(unmixing()).astype(np.float64)
    return found


def optical_densities(tile_HWC: NDArray[np.uint8]) -> Floats:
    """-log10((value + 1) / 256) of each colour (H, W, 3): 0 for white, at most 2.4."""
    found: Floats = -np.log10(np.arange(1, 257) / 256)[tile_HWC]
    return found


def stain_amounts(tile_HWC: NDArray[np.uint8]) -> Floats:
    """Amounts (H, W, 3) of hematoxylin, of eosin and of the rest, in units of optical density."""
    return unmixed(optical_densities(tile_HWC), stain_vectors())


def unmixed(densities: Floats, vectors: Floats) -> Floats:
    """How much of each of three `vectors` (one a row) makes up optical densities (..., 3)."""
    found: Floats = densities @ np.linalg.inv(vectors)
    return found


def tissue_mask(tile_HWC: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Which pixels (H, W) show tissue, not glass."""
    found: NDArray[np.bool_] = optical_densities(tile_HWC).mean(axis=2) > TISSUE
    return found


def tile_statistics(tile_HWC: NDArray[np.uint8]) -> Floats:
    """Means, then standard deviations, of the three amounts over tissue (6,); NaN without tissue.

    In the order of `STATISTICS`.
    """
    tissue_HW = tissue_mask(tile_HWC)
    if tissue_HW.mean() < FEWEST_SHARE:
        return np.full(len(STATISTICS), np.nan)
    amounts_P3 = stain_amounts(tile_HWC)[tissue_HW]
    return np.concatenate([amounts_P3.mean(axis=0), amounts_P3.std(axis=0)])


def class_means(tile_HWC: NDArray[np.uint8], labels_HW: NDArray[np.uint8], classes: int) -> Floats:
    """Mean amounts (classes, 3) of each class's tissue; NaN for one that hardly occurs."""
    tissue_HW = tissue_mask(tile_HWC)
    amounts_HW3 = stain_amounts(tile_HWC)
    found = np.full((classes, len(STAINS)), np.nan)
    for number in range(classes):
        chosen_HW = tissue_HW & (labels_HW == number)
        if chosen_HW.mean() >= FEWEST_SHARE:
            found[number] = amounts_HW3[chosen_HW].mean(axis=0)
    return found
