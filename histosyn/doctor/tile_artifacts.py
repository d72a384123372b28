"""Artifacts that make a readable tile useless: pen marks, blank glass, out of focus."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from histosyn.images.tiles import GLASS_VALUE

# Haematoxylin and eosin both swallow green, so that tissue is never greener than red by much.
_GREENER = 15
# Yellow ink swallows blue only; blue ink is far from the violet of nuclei; black has no colour.
_YELLOWER = 60
_BLUER = 70
_BLUE_RED = 80
_BLACK = 70
_BLACK_CHROMA = 35
# Bright and without colour: glass, also where the scanner's light was dim.
_BRIGHT = GLASS_VALUE - 50
_GRAY_CHROMA = 16
_BLANK_SHARE = 0.98
# Of single pixels, which are noisier than means of sixteen.
_HARDLY_BLANK_SHARE = 0.9

# A tile is marked if ink covers so much more of it than of most others.
INK_SHARE = 0.05
# The share of ink that is remarkable whatever the others have.
MOSTLY_INK = 0.5

# Fewer tiles do not say how sharp they all should be.
_FEWEST_TILES = 5
# Robust standard deviations below the median, and how many times less fine structure, at least.
_FAR_BELOW = 4.5
_TIMES_LESS = 1.75
_LEAST_SPREAD = 0.05
_SMALLEST_SIDE = 32
_LEAST_STRUCTURE = 1.0


def ink_share(tile_HWC: np.ndarray) -> float | None:
    """Share in [0, 1] of pixels in colours of pens (green, blue, yellow, black), not of H&E.

    None if the tile is too small to tell.
    """
    if min(tile_HWC.shape[:2]) < _SMALLEST_SIDE:
        return None
    red, green, blue = (tile_HWC[::2, ::2, channel].astype(np.int16) for channel in range(3))
    lightest = np.maximum(np.maximum(red, green), blue)
    darkest = np.minimum(np.minimum(red, green), blue)
    greener = green - red > _GREENER
    yellower = np.minimum(red, green) - blue > _YELLOWER
    bluer = (blue - np.maximum(red, green) > _BLUER) & (red < _BLUE_RED)
    black = (lightest < _BLACK) & (lightest - darkest < _BLACK_CHROMA)
    return float((greener | yellower | bluer | black).mean())


def is_blank(tile_HWC: np.ndarray) -> bool:
    """Whether there is nothing on it but glass, be that grayish or noisy."""
    if float((tile_HWC[::4, ::4].min(axis=2) > _BRIGHT).mean()) < _HARDLY_BLANK_SHARE:
        return False
    blocks = _halved(_halved(tile_HWC.astype(np.float32)))
    darkest = blocks.min(axis=2)
    gray = (darkest > _BRIGHT) & (blocks.max(axis=2) - darkest < _GRAY_CHROMA)
    return float(gray.mean()) >= _BLANK_SHARE


def sharpness_of(tile_HWC: np.ndarray) -> tuple[float, float] | None:
    """How much structure is two pixels wide against four, and four against eight, as logarithms.

    What is out of focus has less of the finer; a little, or so much that what is left is noise.
    Structure one pixel wide does not count: it is noise, or what JPEG left of it. None if the tile
    is too small to tell.
    """
    if min(tile_HWC.shape[:2]) < _SMALLEST_SIDE:
        return None
    half = _halved(tile_HWC[..., 1].astype(np.float32))
    quarter = _halved(half)
    fine, medium, coarse = (
        float(_laplacian(plane).var()) for plane in (half, quarter, _halved(quarter))
    )
    return _log_ratio(fine, medium), _log_ratio(medium, coarse)


def _log_ratio(finer: float, coarser: float) -> float:
    """Very low where there is no structure at all."""
    return float(np.log((finer + 1e-3) / (coarser + _LEAST_STRUCTURE)))


def marked_by_ink(shares: Mapping[str, float]) -> dict[str, float]:
    """The tiles that have far more ink than most others, or are covered by it."""
    if not shares:
        return {}
    usual = float(np.median(list(shares.values())))
    return {
        key: share
        for key, share in shares.items()
        if share - usual >= INK_SHARE or share >= MOSTLY_INK
    }


def out_of_focus(sharpness: Mapping[str, tuple[float, float]]) -> dict[str, float]:
    """The tiles that are far less sharp than most others, and how many times less."""
    if len(sharpness) < _FEWEST_TILES:
        return {}
    values = np.array(list(sharpness.values()))
    medians = np.median(values, axis=0)
    lacking = medians - values
    spreads = np.maximum(1.4826 * np.median(np.abs(lacking), axis=0), _LEAST_SPREAD)
    far = lacking >= np.maximum(_FAR_BELOW * spreads, np.log(_TIMES_LESS))
    return {key: float(np.exp(lacking[i].max())) for i, key in enumerate(sharpness) if far[i].any()}


def _halved(plane: np.ndarray) -> np.ndarray:
    """Means of 2x2 pixels: (H, W, ...) to (H // 2, W // 2, ...)."""
    height, width = (side // 2 * 2 for side in plane.shape[:2])
    even = plane[:height, :width]
    return (even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]) / 4


def _laplacian(plane_HW: np.ndarray) -> np.ndarray:
    inner = plane_HW[1:-1, 1:-1]
    around = plane_HW[:-2, 1:-1] + plane_HW[2:, 1:-1] + plane_HW[1:-1, :-2] + plane_HW[1:-1, 2:]
    return 4 * inner - around
