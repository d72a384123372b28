"""Label maps from nothing but measures: ground of cut random fields, and objects by their outline.

The ground is of truncated Gaussian fields, one a class (Armstrong et al., "Plurigaussian
simulations in geosciences", 2011); outlines are phantom's: ellipses that undulate. Objects that
crowd grow until they cover what they are to cover, and flatten where they meet.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from histosyn.new_labels.distances import bins_of, toward
from histosyn.new_labels.likeness import GroundClass, KindLikeness, Likeness
from histosyn.new_labels.shapes import Shape
from histosyn.phantom.fields import smooth_noise

# From the correlation length of a Gaussian covariance to knots of a cubic B-spline of as much
# slope: the root of (2/3) / (151/315).
_KNOTS = 1.1793
# Drawn beyond each edge, so that edges cut objects as they cut real ones; a share of the side.
_MOST_MARGIN = 0.5
_HARMONICS = np.arange(2, 6)
# How far an outline is drawn, in radii; how far objects shrink or grow to cover their share.
_REACH, _LEAST_GROWTH, _MOST_GROWTH = 1.7, 0.6, 1.6
_TRIES_EACH = 4
_MOST_OBJECTS = 4096
_HOLE_WOBBLE = 0.12

Randoms = Callable[[str], np.random.Generator]


@dataclass(frozen=True, kw_only=True, eq=False)
class Placed:
    """Objects to be drawn: centres (row, column), angles in radians, and their shapes."""

    centres: list[tuple[float, float]]
    angles: list[float]
    shapes: list[Shape]


def drawn(
    like: Likeness,
    pools: Mapping[int, KindLikeness],
    size: tuple[int, int],
    randoms: Randoms,
    more: Mapping[int, float],
) -> tuple[np.ndarray, dict[int, int]]:
    """A map like another one, uint8 (H, W), and how many objects of each kind were drawn.

    `pools` have a kind's shapes where the map itself has too few. `more` are shares to cover
    besides, by kind. `randoms` gives the random numbers for a purpose.
    """
    margin = _margin(like, pools, size)
    wide = size[0] + 2 * margin, size[1] + 2 * margin
    canvas_HW = _ground(randoms("ground"), like.ground, wide)
    larger_HW = np.zeros(wide, dtype=bool)
    counts = {}
    for kind in like.kinds:
        rng = randoms(f"objects {kind.kind}")
        shaped = kind if any(kind.shapes) else pools[kind.kind]
        wanted_HW = kind.coverage[canvas_HW, bins_of(larger_HW, kind.unit)]
        wanted_HW = np.minimum(wanted_HW * (1 + more.get(kind.kind, 0.0)), 1.0)
        placed = _placed(rng, shaped, wanted_HW, larger_HW)
        owner_HW, radius_HW = _outlined(rng, placed, wide)
        mask_HW, level = _covering(radius_HW, owner_HW, wanted_HW, apart=kind.apart)
        canvas_HW[mask_HW] = kind.kind
        _hollow(rng, canvas_HW, mask_HW, owner_HW, radius_HW / level, placed)
        larger_HW |= mask_HW
        counts[kind.kind] = len(placed.shapes)
    inner = slice(margin, margin + size[0]), slice(margin, margin + size[1])
    return np.ascontiguousarray(canvas_HW[inner]), counts


def _margin(like: Likeness, pools: Mapping[int, KindLikeness], size: tuple[int, int]) -> int:
    radii = [
        shape.radius * math.sqrt(shape.stretch)
        for kind in like.kinds
        for pool in (kind if any(kind.shapes) else pools[kind.kind]).shapes
        for shape in pool
    ]
    return int(min(max(radii, default=0.0), _MOST_MARGIN * max(size)))


def _field(rng: np.random.Generator, size: tuple[int, int], length: float) -> np.ndarray:
    return smooth_noise(rng, max(size), _KNOTS * length)[: size[0], : size[1]]


def _ground(
    rng: np.random.Generator, classes: tuple[GroundClass, ...], size: tuple[int, int]
) -> np.ndarray:
    """The commonest class, out of which and of each other the rarer ones are cut."""
    canvas_HW = np.zeros(size, dtype=np.uint8)
    if not classes:
        return canvas_HW
    canvas_HW[:] = classes[0].index
    for one in classes[1:]:
        field_HW = _field(rng, size, one.length)
        taken_HW = np.zeros(size, dtype=bool)
        there = [each.index for each in classes if one.beside[each.index] > 0]
        laid = [index for index in there if (canvas_HW == index).any()] or [classes[0].index]
        beside = np.array([max(one.beside[index], 1e-9) for index in laid])
        for index, part in zip(laid, beside / beside.sum(), strict=True):
            here_HW = canvas_HW == index
            pixels = min(round(one.share * part * canvas_HW.size), int(here_HW.sum()))
            if pixels:
                level = np.partition(field_HW[here_HW], -pixels)[-pixels]
                taken_HW |= here_HW & (field_HW >= level)
        canvas_HW[taken_HW] = one.index
    return canvas_HW


def _placed(
    rng: np.random.Generator, kind: KindLikeness, wanted_HW: np.ndarray, larger_HW: np.ndarray
) -> Placed:
    """Centres drawn by how much is to be covered there, large objects first, not too near."""
    placed = Placed(centres=[], angles=[], shapes=[])
    area, pools = float(wanted_HW.sum()), [list(pool) for pool in kind.shapes]
    everything = pools[0] + pools[1]
    if area <= 0 or not everything:
        return placed
    weights = np.array(kind.weights[0] + kind.weights[1])
    mean_area = float(np.average([shape.area for shape in everything], weights=weights))
    count = min(int(rng.poisson(area / mean_area)), _MOST_OBJECTS)
    candidates = count * _TRIES_EACH
    summed = np.cumsum(wanted_HW.ravel())
    spots = np.searchsorted(summed, rng.random(candidates) * summed[-1])
    rows, columns = np.divmod(np.minimum(spots, summed.size - 1), wanted_HW.shape[1])
    inside = larger_HW[rows, columns].astype(int)
    drawn_shapes = [_shape(rng, kind, side) for side in inside[:count].tolist()]
    order = sorted(range(len(drawn_shapes)), key=lambda at: -drawn_shapes[at].area)
    angle_HW, mean = toward(larger_HW), rng.uniform(0, math.pi)
    radii = np.zeros(count)
    kept = np.zeros((count, 2))
    spare = iter(range(count, candidates))
    for at in order:
        spot: int | None = at
        shape = drawn_shapes[at]
        while spot is not None:
            n = len(placed.shapes)
            away = np.hypot(kept[:n, 0] - rows[spot], kept[:n, 1] - columns[spot])
            if (away >= kind.spacing * (radii[:n] + shape.radius) / 2).all():
                kept[n], radii[n] = (rows[spot], columns[spot]), shape.radius
                origin = mean if angle_HW is None else angle_HW[rows[spot], columns[spot]]
                placed.centres.append((float(rows[spot]), float(columns[spot])))
                placed.angles.append(float(shape.angle + origin))
                placed.shapes.append(shape)
                break
            spot = next(spare, None)
    return placed


def _shape(rng: np.random.Generator, kind: KindLikeness, side: int) -> Shape:
    """One of those inside (1) or outside (0) larger objects, or of all where there is none."""
    side = side if kind.shapes[side] else 1 - side
    pool, weights = kind.shapes[side], np.cumsum(kind.weights[side])
    return pool[min(int(np.searchsorted(weights, rng.random() * weights[-1])), len(pool) - 1)]


def _outlined(
    rng: np.random.Generator, placed: Placed, size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """The object that is nearest to each pixel, -1 for none, and how far, in its own radii."""
    owner_HW = np.full(size, -1, dtype=np.int32)
    radius_HW = np.full(size, np.inf)
    for number, ((row, column), angle, shape) in enumerate(
        zip(placed.centres, placed.angles, placed.shapes, strict=True)
    ):
        waves = shape.lobes * rng.standard_normal(len(_HARMONICS)) / _HARMONICS**0.8
        phases = rng.uniform(0, 2 * math.pi, len(_HARMONICS))
        reach = math.ceil(_REACH * shape.radius * math.sqrt(shape.stretch)) + 1
        top, left = max(int(row) - reach, 0), max(int(column) - reach, 0)
        window = slice(top, int(row) + reach + 1), slice(left, int(column) + reach + 1)
        owners, nearest = owner_HW[window], radius_HW[window]
        y = np.arange(top, top + owners.shape[0])[:, None] - row
        x = np.arange(left, left + owners.shape[1])[None, :] - column
        along = (x * math.cos(angle) + y * math.sin(angle)) / math.sqrt(shape.stretch)
        across = (y * math.cos(angle) - x * math.sin(angle)) * math.sqrt(shape.stretch)
        distance = np.hypot(along, across) / shape.radius
        if shape.lobes > 0:
            around = np.arctan2(across, along)[..., None]
            distance = distance / np.exp((np.cos(_HARMONICS * around + phases) * waves).sum(-1))
        nearer = distance < nearest
        nearest[nearer], owners[nearer] = distance[nearer], number
    return owner_HW, radius_HW


def _covering(
    radius_HW: np.ndarray, owner_HW: np.ndarray, wanted_HW: np.ndarray, *, apart: bool
) -> tuple[np.ndarray, float]:
    """Objects grown or shrunk alike, to cover as much as is wanted; the factor of their radius."""
    allowed_HW = (wanted_HW > 0) & (owner_HW >= 0)
    if apart:
        # A line of pixels between any two: who meets a later one gives way.
        allowed_HW &= ndimage.maximum_filter(owner_HW, size=3) == owner_HW
    pixels = min(round(float(wanted_HW.sum())), int(allowed_HW.sum()))
    if not pixels:
        return np.zeros(radius_HW.shape, dtype=bool), 1.0
    level = float(np.partition(radius_HW[allowed_HW], pixels - 1)[pixels - 1])
    level = min(max(level, _LEAST_GROWTH), _MOST_GROWTH)
    return allowed_HW & (radius_HW <= level), level


def _hollow(
    rng: np.random.Generator,
    canvas_HW: np.ndarray,
    mask_HW: np.ndarray,
    owner_HW: np.ndarray,
    radius_HW: np.ndarray,
    placed: Placed,
) -> None:
    """Holes, such as the lumen of glands, in the middle of those objects that have one."""
    if not any(shape.hole for shape in placed.shapes):
        return
    holes = np.array([shape.hole for shape in placed.shapes])
    classes = np.array([shape.hole_class for shape in placed.shapes], dtype=np.uint8)
    rows, columns = np.nonzero(mask_HW)
    owners = owner_HW[rows, columns]
    length = 0.3 * float(np.mean([shape.radius for shape in placed.shapes]))
    wobble = 1 + _HOLE_WOBBLE * _field(rng, canvas_HW.shape, max(length, 1.0))[rows, columns]
    hollow = radius_HW[rows, columns] * wobble < np.sqrt(holes[owners])
    canvas_HW[rows[hollow], columns[hollow]] = classes[owners[hollow]]
