"""What a procedural map takes from one of the user's: density, sizes, shapes, spacing, direction.

Where objects lie is kept as the share of pixels that they cover, by the class below them and by the
distance from the nearest object of a larger kind: nuclei that line a gland do so again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree
from scipy.stats import norm

from histosyn.new_labels.distances import BINS, bins_of, toward
from histosyn.new_labels.regions import Layers, Region
from histosyn.new_labels.seen import borders_of
from histosyn.new_labels.shapes import Shape, mean_angle, shape_of

# Less compact ones are several objects that touch, or no outline that could be drawn.
_COMPACT = 0.75
# Of so many objects, one of so many times the usual area is a clump.
_MANY, _LARGEST = 20, 4.0
# Of the area that a kind covers; the smallest objects that hold so little of it are no shapes.
_CRUMBS = 0.02
# If so much of the covered area is in compact objects, objects of the kind keep apart.
_MOSTLY = 0.6
_CLOSEST_SHARE, _USUAL_SPACING, _CLUMPED_SPACING = 0.1, 1.6, 1.2
_SHORTEST, _LONGEST = 1.5, 2000.0


@dataclass(frozen=True, kw_only=True)
class GroundClass:
    """A class of the ground: its share, over how many pixels it changes, what it borders on.

    `beside` (K,) are shares of its border.
    """

    index: int
    share: float
    length: float
    beside: np.ndarray


@dataclass(frozen=True, kw_only=True, eq=False)
class KindLikeness:
    """Objects of one kind in one map.

    `coverage` (256, bins) is the share of pixels that they cover, by class below and distance from
    larger objects. `shapes` are those of compact objects, inside larger ones and outside, their
    angles counted from the direction to the larger objects' outline (or their own mean); `weights`
    how often each is drawn, so that large ones, which edges cut more often, are not too rare.
    Centres are at least `spacing` radii apart. `apart` if they do not touch.
    """

    kind: int
    coverage: np.ndarray
    shapes: tuple[tuple[Shape, ...], tuple[Shape, ...]]
    weights: tuple[tuple[float, ...], tuple[float, ...]]
    unit: float
    spacing: float
    apart: bool


@dataclass(frozen=True, kw_only=True, eq=False)
class Likeness:
    """One map: its ground, the commonest class first, and its kinds, the largest first."""

    ground: tuple[GroundClass, ...]
    kinds: tuple[KindLikeness, ...]


def likeness_of(layers: Layers, kinds: Sequence[int], ignore: int | None) -> Likeness:
    """Measure a map that was taken apart."""
    canvas_HW = layers.ground.copy()
    larger_HW = np.zeros(canvas_HW.shape, dtype=bool)
    found = []
    for place in reversed(range(len(kinds))):
        regions = layers.regions[place]
        below_HW = canvas_HW.copy()
        mask_HW = np.zeros(canvas_HW.shape, dtype=bool)
        for region in regions:
            mask_HW[region.box] |= region.mask
            canvas_HW[region.box][region.mask] = region.content[region.mask]
        shapes = [shape_of(region, kinds[:place], ignore) for region in regions]
        found.append(_kind(kinds[place], regions, shapes, (below_HW, mask_HW, larger_HW), ignore))
        larger_HW = larger_HW | mask_HW
    return Likeness(ground=_ground(layers.ground, ignore), kinds=tuple(found))


def _ground(ground_HW: np.ndarray, ignore: int | None) -> tuple[GroundClass, ...]:
    pixels = np.bincount(ground_HW.ravel(), minlength=256)
    if ignore is not None:
        pixels[ignore] = 0
    borders = borders_of(ground_HW, 256)
    if ignore is not None:
        borders[ignore] = borders[:, ignore] = 0
    total = max(int(pixels.sum()), 1)
    order = sorted(np.flatnonzero(pixels).tolist(), key=lambda index: -pixels[index])
    return tuple(
        GroundClass(
            index=index,
            share=pixels[index] / total,
            length=_length(pixels[index] / total, borders[index].sum() / total),
            beside=borders[index] / max(borders[index].sum(), 1),
        )
        for index in order
    )


def _length(share: float, border_density: float) -> float:
    """The correlation length of a Gaussian field that, cut at this share, has as much border.

    Borders in edges of pixels: 2 / (pi l) exp(-u^2 / 2) for a level u (Rice 1945, in two
    directions).
    """
    level = float(norm.ppf(np.clip(share, 1e-6, 1 - 1e-6)))
    length = 2 * math.exp(-(level**2) / 2) / (math.pi * max(border_density, 1e-9))
    return min(max(length, _SHORTEST), _LONGEST)


def _kind(
    kind: int,
    regions: Sequence[Region],
    shapes: Sequence[Shape],
    fields: tuple[np.ndarray, np.ndarray, np.ndarray],
    ignore: int | None,
) -> KindLikeness:
    below_HW, mask_HW, larger_HW = fields
    usable = _usable(shapes)
    typical = [shape.radius for shape, use in zip(shapes, usable, strict=True) if use]
    unit = float(np.median(typical)) if typical else 1.0
    bins_HW, angle_HW = bins_of(larger_HW, unit), toward(larger_HW)
    place_HW = below_HW.astype(np.int64) * BINS + bins_HW
    seen_HW = np.ones(mask_HW.shape, bool) if ignore is None else below_HW != ignore
    pixels = np.bincount(place_HW[seen_HW], minlength=256 * BINS)
    covered = np.bincount(place_HW[seen_HW & mask_HW], minlength=256 * BINS)
    mean = mean_angle(shapes)
    pools: tuple[list[Shape], list[Shape]] = ([], [])
    weights: tuple[list[float], list[float]] = ([], [])
    centres, radii = [], []
    for region, shape, use in zip(regions, shapes, usable, strict=True):
        if not use:
            continue
        row = region.top + region.mask.shape[0] // 2
        column = region.left + region.mask.shape[1] // 2
        origin = mean if angle_HW is None else angle_HW[row, column]
        inside = int(larger_HW[row, column])
        pools[inside].append(_turned(shape, -origin))
        weights[inside].append(_weight(region, mask_HW.shape))
        centres.append((row, column))
        radii.append(shape.radius)
    area = sum(shape.area for shape in shapes)
    compact = sum(shape.area for shape in shapes if shape.compact >= _COMPACT)
    apart = compact >= _MOSTLY * area
    spacing = _spacing(centres, radii)
    return KindLikeness(
        kind=kind,
        coverage=(covered / np.maximum(pixels, 1)).reshape(256, BINS),
        shapes=(tuple(pools[0]), tuple(pools[1])),
        weights=(tuple(weights[0]), tuple(weights[1])),
        unit=unit,
        spacing=spacing if apart else min(spacing, _CLUMPED_SPACING),
        apart=apart,
    )


def _usable(shapes: Sequence[Shape]) -> list[bool]:
    """Which can be drawn: no crumbs, compact ones if there are any, of these those not cut."""
    if not shapes:
        return []
    areas = np.array([shape.area for shape in shapes])
    order = np.argsort(areas, kind="stable")
    crumbs = np.zeros(len(shapes), dtype=bool)
    crumbs[order] = np.cumsum(areas[order]) <= _CRUMBS * areas.sum()
    chosen = ~crumbs
    for finer in ([shape.compact >= _COMPACT for shape in shapes], [s.whole for s in shapes]):
        if (chosen & finer).any():
            chosen &= finer
    if chosen.sum() >= _MANY:
        chosen &= areas <= _LARGEST * np.median(areas[chosen])
    return [bool(use) for use in chosen]


def _turned(shape: Shape, by: float) -> Shape:
    return Shape(**(vars(shape) | {"angle": shape.angle + by}))


def _weight(region: Region, size: tuple[int, ...]) -> float:
    """One over the chance that a window of this size holds it whole (Miles 1974)."""
    height, width = region.mask.shape
    room = (size[0] - height + 1) * (size[1] - width + 1)
    return size[0] * size[1] / max(room, 1)


def _spacing(centres: Sequence[tuple[int, int]], radii: Sequence[float]) -> float:
    """How near the nearest ones come, in mean radii."""
    if len(centres) < 3:
        return _USUAL_SPACING
    distances, _ = cKDTree(np.array(centres)).query(np.array(centres), k=2)
    return float(np.quantile(distances[:, 1], _CLOSEST_SHARE) / np.mean(radii))
