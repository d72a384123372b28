"""Glands of procedural tissue: where they are, their outlines, and the cells that line them.

A gland is a smooth closed outline; its epithelium is what lies less than `height` below it, and the
rest is lumen. Lengths are microns, which are pixels at the phantom's 1 micron per pixel.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from histosyn.phantom.fields import Ellipses, joined
from histosyn.phantom.tissue_kinds import TissueKind

_NO_GLAND = -1e3
_HARMONICS = np.arange(2, 8)


@dataclass(frozen=True, kw_only=True)
class Outline:
    """One gland's outline as n points about a pixel apart.

    `points` and `inward`, unit normals, are (n, 2); `arc` (n,) is the way along the outline. The
    `radius` is that of a disc the outline was made from.
    """

    points: np.ndarray
    inward: np.ndarray
    arc: np.ndarray
    radius: float
    height: float


@dataclass(frozen=True, kw_only=True)
class GlandField:
    """What each pixel of the window knows of the outline that is nearest to it, (size, size).

    `depth` below it in pixels, positive inside a gland; the place along it, `arc`, in pixels; its
    `tangent`, a direction in radians; and the `height` of its epithelium.
    """

    depth: np.ndarray
    arc: np.ndarray
    tangent: np.ndarray
    height: np.ndarray


def place_glands(rng: np.random.Generator, tissue_kind: TissueKind, size: int) -> list[Outline]:
    """Outlines of glands in and around a size x size window, cut by its border or not."""
    stretch, angle = rng.uniform(*tissue_kind.stretch), rng.uniform(0, np.pi)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    frame = turn @ np.diag([np.sqrt(stretch), 1 / np.sqrt(stretch)])
    gap = rng.uniform(*tissue_kind.gap)
    # Half the side of a square that, stretched, holds the window and all glands that reach into it.
    reach = (0.71 * size + tissue_kind.radius[1]) * np.sqrt(stretch)
    tries = int(8 * (reach / tissue_kind.radius[0]) ** 2)
    radii = np.sort(rng.uniform(*tissue_kind.radius, tries))[::-1]
    centres = rng.uniform(-reach, reach, (tries, 2))
    kept: list[int] = []
    for index in range(tries):
        distance = np.hypot(*(centres[kept] - centres[index]).T)
        if (distance > radii[kept] + radii[index] + gap).all():
            kept.append(index)
    outlines = [
        _outline(rng, tissue_kind, radii[index], frame, centres[index] @ frame.T + size / 2)
        for index in kept
    ]
    return [outline for outline in outlines if _is_near(outline, size)]


def gland_field(outlines: list[Outline], size: int) -> GlandField:
    """Measure every pixel of the window against the nearest point of all outlines."""
    if not outlines:
        nowhere = np.zeros((size, size))
        return GlandField(depth=nowhere + _NO_GLAND, arc=nowhere, tangent=nowhere, height=nowhere)
    points = np.concatenate([outline.points for outline in outlines])
    inward = np.concatenate([outline.inward for outline in outlines])
    # Outlines are told apart by an offset, so that no two share the pattern of their cells.
    arc = np.concatenate([item.arc + 1000.0 * at for at, item in enumerate(outlines)])
    height = np.concatenate([np.full(len(item.arc), item.height) for item in outlines])
    y, x = np.indices((size, size))
    pixels = np.stack([x.ravel(), y.ravel()], axis=1).astype(float)
    _, nearest = cKDTree(points).query(pixels)
    offset = pixels - points[nearest]
    depth = (offset * inward[nearest]).sum(axis=1)
    along = inward[nearest, 0] * offset[:, 1] - inward[nearest, 1] * offset[:, 0]
    tangent = np.arctan2(inward[nearest, 0], -inward[nearest, 1])
    return GlandField(
        depth=depth.reshape(size, size),
        arc=(arc[nearest] - along).reshape(size, size),
        tangent=tangent.reshape(size, size),
        height=height[nearest].reshape(size, size),
    )


def lining_nuclei(
    rng: np.random.Generator, tissue_kind: TissueKind, outlines: list[Outline]
) -> Ellipses:
    """Nuclei of the epithelium: rows of ovals that stand upright on the outline."""
    length, width = tissue_kind.nucleus
    rows = [
        _along(
            rng,
            outline,
            spacing=2.0 * width + 0.5,
            depth=tissue_kind.basal + length + row * 1.35 * length,
            disorder=tissue_kind.disorder,
            axes=(length, width),
        )
        for outline in outlines
        for row in range(tissue_kind.rows)
        if tissue_kind.basal + 2.0 * length + row * 1.35 * length < outline.height + 1.0
    ]
    return joined(rows)


def goblets(rng: np.random.Generator, tissue_kind: TissueKind, outlines: list[Outline]) -> Ellipses:
    """Drops of mucin between the nuclei and the lumen."""
    floor = tissue_kind.basal + 2.0 * tissue_kind.nucleus[0]
    drops = [
        _along(
            rng,
            outline,
            spacing=8.2,
            depth=0.5 * (floor + outline.height),
            disorder=1.0,
            axes=(0.5 * (outline.height - floor), 4.0),
        )
        for outline in outlines
        if outline.height - floor > 7.0
    ]
    everything = joined(drops)
    return everything.where(rng.random(len(everything)) < tissue_kind.goblets)


def _outline(
    rng: np.random.Generator,
    tissue_kind: TissueKind,
    radius: float,
    frame: np.ndarray,
    centre: np.ndarray,
) -> Outline:
    angle = np.linspace(0, 2 * np.pi, int(8 * radius), endpoint=False)
    amplitude = tissue_kind.lobes * rng.normal(0, 1, len(_HARMONICS)) / _HARMONICS**0.8
    phase = rng.uniform(0, 2 * np.pi, len(_HARMONICS))
    waves = np.cos(_HARMONICS * angle[:, None] + phase) @ amplitude
    # Shrunk so that the widest place reaches the radius: neighbours keep their distance.
    ray = radius * np.exp(waves - max(waves.max(), 0.0) * 0.8)
    points = (ray[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)) @ frame.T + centre
    ahead = np.roll(points, -1, axis=0) - np.roll(points, 1, axis=0)
    tangent = ahead / np.linalg.norm(ahead, axis=1, keepdims=True)
    inward = np.stack([-tangent[:, 1], tangent[:, 0]], axis=1)
    steps = np.linalg.norm(np.roll(points, -1, axis=0) - points, axis=1)
    return Outline(
        points=points,
        inward=inward,
        arc=np.cumsum(steps) - steps[0],
        radius=radius,
        height=rng.uniform(*tissue_kind.height) * min(1.0, 0.6 + radius / 100.0),
    )


def _along(
    rng: np.random.Generator,
    outline: Outline,
    *,
    spacing: float,
    depth: float,
    disorder: float,
    axes: tuple[float, float],
) -> Ellipses:
    """Upright ellipses of semi-axes `axes`, about every `spacing` px at `depth` px."""
    # A ring inside the outline is shorter than the outline.
    share = max(0.0, 1.0 - depth / outline.radius)
    count = int(outline.arc[-1] * share / spacing)
    place = (np.arange(count) + rng.uniform(-0.3, 0.3, count)) / max(count, 1)
    at = np.searchsorted(outline.arc, (place % 1.0) * outline.arc[-1])
    below = depth + rng.normal(0, disorder, count)
    centre = outline.points[at] + below[:, None] * outline.inward[at]
    size = rng.lognormal(0, 0.16, (2, count))
    return Ellipses(
        x=centre[:, 0],
        y=centre[:, 1],
        length=axes[0] * size[0],
        width=axes[1] * size[1],
        angle=np.arctan2(outline.inward[at, 1], outline.inward[at, 0]) + rng.normal(0, 0.16, count),
    )


def _is_near(outline: Outline, size: int) -> bool:
    low, high = outline.points.min(axis=0), outline.points.max(axis=0)
    return bool((high > -20).all() and (low < size + 20).all())
