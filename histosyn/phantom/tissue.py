"""Anatomy of procedural tissue: what is where in one tile.

A tile is a window into larger tissue: glands, vessels and the edge of the section may be cut by its
border. Lengths are microns, which are pixels at the phantom's 1 micron per pixel.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter

from histosyn.phantom.fields import (
    Ellipses,
    coverage,
    jittered_grid,
    joined,
    smooth_noise,
    stamp,
    streaks,
    value_at,
)
from histosyn.phantom.glands import (
    GlandField,
    gland_field,
    goblets,
    lining_nuclei,
    place_glands,
)
from histosyn.phantom.nuclei import draw_nuclei, round_cells, standing_in, stromal_nuclei
from histosyn.phantom.tissue_kinds import TissueKind

# Indices of the schema prostate-3.
BACKGROUND, STROMA, EPITHELIUM, NUCLEI = range(4)


@dataclass(frozen=True, kw_only=True)
class Tissue:
    """One tile before it is stained; every map is (size, size).

    `labels` uint8 holds indices of prostate-3. Coverages in [0, 1]: `epithelium`, `white` (lumen,
    clefts, glass), `mucin`, `blood`, `nuclei`. `chromatin` is the density of nuclei, about 1 where
    they are; `fibres` (unit variance) and `glands` shape the textures.
    """

    labels: np.ndarray
    glands: GlandField
    epithelium: np.ndarray
    white: np.ndarray
    mucin: np.ndarray
    blood: np.ndarray
    nuclei: np.ndarray
    chromatin: np.ndarray
    fibres: np.ndarray


@dataclass(frozen=True, kw_only=True)
class _Vessels:
    lumen: np.ndarray
    blood: np.ndarray
    lining: Ellipses


def grow(rng: np.random.Generator, tissue_kind: TissueKind, size: int) -> Tissue:
    """Draw one size x size tile of tissue."""
    outlines = place_glands(rng, tissue_kind, size)
    glands = gland_field(outlines, size)
    direction = _fibre_direction(rng, glands, size)
    fine, coarse = streaks(
        np.stack([smooth_noise(rng, size, 1.3), smooth_noise(rng, size, 4.0)]), direction
    )
    vessels = _vessels(rng, glands, direction, size)
    glass = _glass(rng, size)
    gaps = np.maximum(_clefts(rng, coarse, glands, size), vessels.lumen)
    epithelium = coverage(glands.depth)
    blood = vessels.blood * (1.0 - epithelium) * (1.0 - glass)
    white = np.maximum.reduce([_gland_lumen(rng, glands, size), gaps * (1.0 - epithelium), glass])
    white *= 1.0 - blood

    lining = lining_nuclei(rng, tissue_kind, outlines)
    stroma = joined([vessels.lining, *stromal_nuclei(rng, tissue_kind, direction, size)])
    upright = standing_in(lining, glands.depth - 1.0, white)
    around = standing_in(stroma, -glands.depth - 3.0, np.maximum(white, blood))
    nuclei, chromatin = draw_nuclei(rng, joined([upright, around]), size)
    return Tissue(
        labels=_labels(epithelium, white, nuclei),
        glands=glands,
        epithelium=epithelium,
        white=white,
        mucin=_mucin(rng, goblets(rng, tissue_kind, outlines), glands, size),
        blood=blood,
        nuclei=nuclei,
        chromatin=chromatin,
        fibres=0.85 * fine + 0.55 * coarse,
    )


def _labels(epithelium: np.ndarray, white: np.ndarray, nuclei: np.ndarray) -> np.ndarray:
    labels = np.where(epithelium >= 0.5, EPITHELIUM, STROMA)
    labels = np.where(white >= 0.5, BACKGROUND, labels)
    return np.where(nuclei >= 0.5, NUCLEI, labels).astype(np.uint8)


def _mucin(rng: np.random.Generator, drops: Ellipses, glands: GlandField, size: int) -> np.ndarray:
    marks = stamp(drops, size, 0.5 * smooth_noise(rng, size, 4.0))
    return marks.highest(coverage(marks.depth)) * coverage(glands.depth - 4.0)


def _fibre_direction(rng: np.random.Generator, glands: GlandField, size: int) -> np.ndarray:
    """Wavy collagen that bends around glands, radians (size, size)."""
    bends = 0.7 * smooth_noise(rng, size, 55) + 0.3 * smooth_noise(rng, size, 16)
    free = rng.uniform(0, np.pi) + bends
    around = np.exp(-np.maximum(-glands.depth, 0.0) / 12.0)
    # Twice the angle, because a fibre that points backwards is the same fibre.
    x = around * np.cos(2 * glands.tangent) + (1 - around) * np.cos(2 * free)
    y = around * np.sin(2 * glands.tangent) + (1 - around) * np.sin(2 * free)
    return np.arctan2(y, x) / 2


def _gland_lumen(rng: np.random.Generator, glands: GlandField, size: int) -> np.ndarray:
    """Lumen begins where the epithelium's height ends, with a scalloped border."""
    border = 1.0 + 0.12 * smooth_noise(rng, size, 13)
    scallops = 0.8 * smooth_noise(rng, size, 4.5)
    # Smoothed, because depth has a crease halfway between two walls.
    return coverage(gaussian_filter(glands.depth - glands.height * border, 2.0) + scallops)


def _clefts(
    rng: np.random.Generator, coarse: np.ndarray, glands: GlandField, size: int
) -> np.ndarray:
    """White gaps between fibres, and crescents where a gland has shrunk away from its stroma."""
    between = coverage(3.0 * (coarse - rng.uniform(1.9, 3.2)))
    width = 3.0 * (smooth_noise(rng, size, 30) - rng.uniform(0.8, 2.2))
    return np.maximum(between, coverage(width + glands.depth + 0.5))


def _glass(rng: np.random.Generator, size: int) -> np.ndarray:
    """What lies beyond the edge of the section, in one tile of ten."""
    angle = rng.uniform(0, 2 * np.pi)
    offset = rng.uniform(0.1, 0.45) * size if rng.random() < 0.1 else 2.0 * size
    y, x = np.indices((size, size)) - size / 2
    ragged = 5.0 * smooth_noise(rng, size, 30) + 1.2 * smooth_noise(rng, size, 6)
    return coverage(x * np.cos(angle) + y * np.sin(angle) + ragged - offset)


def _vessels(
    rng: np.random.Generator, glands: GlandField, direction: np.ndarray, size: int
) -> _Vessels:
    """Capillaries and venules in the stroma, some with red cells in them."""
    x, y = jittered_grid(rng, size, 46.0, 0.0)
    length = rng.uniform(4.0, 13.0, len(x))
    found = Ellipses(
        x=x,
        y=y,
        length=length,
        width=length * rng.uniform(0.3, 0.7, len(x)),
        angle=value_at(direction, x, y),
    )
    roomy = -value_at(glands.depth, x, y) > found.width + 4.0
    found = found.where(roomy & (rng.random(len(x)) < 0.45))
    marks = stamp(found, size, 0.7 * smooth_noise(rng, size, 6))
    inside = marks.highest(marks.depth, floor=-9.0)
    lumen = coverage(inside)
    blood = np.minimum(_red_cells(rng, inside, size), lumen)
    return _Vessels(lumen=lumen, blood=blood, lining=_endothelium(rng, found))


def _red_cells(rng: np.random.Generator, inside: np.ndarray, size: int) -> np.ndarray:
    """Coverage of red cells where vessels, `inside` px below their outline, are filled."""
    x, y = jittered_grid(rng, size, 4.6, 0.0)
    filled = smooth_noise(rng, size, 24) + 0.2
    cells = round_cells(rng, x, y, 2.4, 0.1)
    cells = cells.where((value_at(inside, x, y) > 1.0) & (value_at(filled, x, y) > 0))
    marks = stamp(cells, size)
    return marks.highest(coverage(marks.depth))


def _endothelium(rng: np.random.Generator, vessels: Ellipses) -> Ellipses:
    """Flat nuclei on the outline of each vessel."""
    owner = np.repeat(np.arange(len(vessels)), 5)
    place = np.tile(np.arange(5) * 2 * np.pi / 5, len(vessels)) + rng.uniform(-0.5, 0.5, len(owner))
    around = vessels.where(owner)
    length, width = around.length + 1.8, around.width + 1.8
    cos, sin = np.cos(around.angle), np.sin(around.angle)
    out_x, out_y = length * np.cos(place), width * np.sin(place)
    tangent = np.arctan2(width * np.cos(place), -length * np.sin(place))
    return Ellipses(
        x=around.x + out_x * cos - out_y * sin,
        y=around.y + out_x * sin + out_y * cos,
        length=rng.uniform(2.6, 4.2, len(owner)),
        width=rng.uniform(1.1, 1.5, len(owner)),
        angle=around.angle + tangent,
    ).where(rng.random(len(owner)) < 0.7)
