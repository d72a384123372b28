"""Size, elongation, orientation, lobes and holes of objects: what shapes are drawn anew from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from histosyn.new_labels.regions import Region

# Lobes of an outline for what it lacks of an ellipse's area; more would cut it to pieces.
_LOBES_SHARE, _MOST_LOBES = 0.5, 0.3
# Of an object's area; less is a drop-out of the annotation.
_LEAST_HOLE = 0.02
_LONGEST = 6.0


@dataclass(frozen=True, kw_only=True)
class Shape:
    """One object: `area` in pixels, holes included, and the ratio `stretch` of its axes, from 1.

    `angle` of the long axis in radians; `lobes` is how far its outline undulates, as a share of the
    radius; `compact` its area over that of the ellipse of the same second moments. The share
    `hole` of it, in the middle, is of class `hole_class`. `whole` if no edge cuts it.
    """

    area: float
    stretch: float
    angle: float
    lobes: float
    compact: float
    hole: float
    hole_class: int
    whole: bool

    @property
    def radius(self) -> float:
        """Of a disc of this area."""
        return math.sqrt(self.area / math.pi)


def shape_of(region: Region, smaller: Sequence[int], ignore: int | None) -> Shape:
    """Measure a region; what lies on it, of `smaller` kinds, is no hole."""
    rows, columns = np.nonzero(region.mask)
    area = len(rows)
    # A pixel has a width of its own, 1/12 of variance.
    spread = np.cov(np.stack([columns, rows]), bias=True).reshape(2, 2) + np.eye(2) / 12
    (minor, major), axes = np.linalg.eigh(spread)
    compact = min(area / (4 * math.pi * math.sqrt(minor * major)), 1.0)
    counts = np.bincount(region.content[region.mask], minlength=256)
    solid = [region.kind, *smaller, *([] if ignore is None else [ignore])]
    counts[solid] = 0
    hole = counts.sum() / area
    return Shape(
        area=float(area),
        stretch=min(math.sqrt(major / minor), _LONGEST),
        angle=math.atan2(axes[1, 1], axes[0, 1]),
        lobes=min(_LOBES_SHARE * math.sqrt(1 / compact - 1), _MOST_LOBES),
        compact=compact,
        hole=float(hole) if hole > _LEAST_HOLE else 0.0,
        hole_class=int(counts.argmax()),
        whole=region.whole,
    )


def mean_angle(shapes: Sequence[Shape]) -> float:
    """The direction that long objects have most, in radians; an axis has no head, hence twice."""
    doubled = sum((shape.stretch - 1) * np.exp(2j * shape.angle) for shape in shapes)
    return float(np.angle(doubled) / 2) if shapes else 0.0
