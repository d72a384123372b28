"""Label maps as annotations: outlines along the edges of pixels, exact, in GeoJSON for QuPath.

A corner of an outline is a corner of pixels around which the mask has an odd number of set pixels,
or two that touch there only. Of the corners in a row of the grid, sorted, the first and the second
are the ends of an edge, the third and the fourth, and so on; so it is in each column. Following an
edge along the row and one along the column in turn gives all outlines, without looking at pixels
again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from histosyn.labels.schema import LabelClass, LabelSchema

Ring = list[tuple[int, int]]


@dataclass(frozen=True, kw_only=True)
class Region:
    """A connected region of a class: its outline, then those of its holes, closed, as (x, y)."""

    label: int
    rings: list[Ring]


def regions_of(labels_HW: np.ndarray, classes: int, least: int = 0) -> Iterator[Region]:
    """The regions of all classes, connected by sides of pixels, class by class.

    Without those that have fewer than `least` pixels.
    """
    for label in np.unique(labels_HW[labels_HW < classes]):
        parts_HW, count = ndimage.label(labels_HW == label)
        small = np.bincount(parts_HW.ravel(), minlength=count + 1) < least
        parts_HW[small[parts_HW]] = 0
        rings: list[list[Ring]] = [[] for _ in range(count)]
        for part, ring in _rings(np.pad(parts_HW, 1)):
            rings[part - 1].append(ring)
        for found in filter(None, rings):
            # The outline encloses more than any of the holes in it.
            found.sort(key=_area, reverse=True)
            yield Region(label=int(label), rings=found)


def feature_text(region: Region, schema: LabelSchema, left: int = 0, top: int = 0) -> str:
    """A region as a GeoJSON feature, as QuPath writes annotations; moved by so many pixels."""
    item: LabelClass = schema.classes[region.label]
    rings = [[[x + left, y + top] for x, y in ring] for ring in region.rings]
    color = [int(item.color[at : at + 2], 16) for at in (1, 3, 5)]
    return json.dumps(
        {
            "type": "Feature",
            "geometry": {"type": "Polygon", "coordinates": rings},
            "properties": {
                "objectType": "annotation",
                "classification": {"name": item.name, "color": color},
            },
        },
        ensure_ascii=False,
        separators=(",", ":"),
    )


def collection_text(features: Iterator[str]) -> Iterator[str]:
    """A FeatureCollection, in pieces of text to be written one after another."""
    yield '{"type":"FeatureCollection","features":[\n'
    for number, feature in enumerate(features):
        yield (",\n" if number else "") + feature
    yield "\n]}\n"


@dataclass(frozen=True, kw_only=True)
class _Corners:
    """n corners: where, of which part, and on which sides its two edges leave it, bool (n,)."""

    x: np.ndarray
    y: np.ndarray
    part: np.ndarray
    right: np.ndarray
    down: np.ndarray


def _rings(parts_HW: np.ndarray) -> Iterator[tuple[int, Ring]]:
    """Closed outlines, each with the number of the part that it is of; 0 is outside of all.

    The map has a rim of zeros, which is not counted in the coordinates.
    """
    corners = _corners(parts_HW)
    row = _partners(np.lexsort((corners.right, corners.x, corners.y)))
    column = _partners(np.lexsort((corners.down, corners.y, corners.x)))
    points = list(zip(corners.x.tolist(), corners.y.tolist(), strict=True))
    seen = [False] * len(points)
    for first in range(len(points)):
        ring: Ring = []
        at = first
        while not seen[at]:
            seen[at] = seen[row[at]] = True
            ring += [points[at], points[row[at]]]
            at = column[row[at]]
        if ring:
            yield int(corners.part[first]), [*ring, ring[0]]


def _corners(parts_HW: np.ndarray) -> _Corners:
    cells = (parts_HW[:-1, :-1], parts_HW[:-1, 1:], parts_HW[1:, :-1], parts_HW[1:, 1:])
    is_set = [cell > 0 for cell in cells]
    count = sum(each.astype(np.int8) for each in is_set)
    largest = np.maximum.reduce(cells)
    diagonal = (count == 2) & (is_set[0] == is_set[3])
    found = []
    for number in range(4):
        # The one that is set among unset ones, or the reverse; or one of two that touch there.
        alone = np.where(count == 1, is_set[number], ~is_set[number]) & (
            (count == 1) | (count == 3)
        )
        y, x = np.nonzero(alone | (diagonal & is_set[number]))
        part = np.where(diagonal[y, x], cells[number][y, x], largest[y, x])
        sides = np.full(len(y), bool(number % 2)), np.full(len(y), bool(number // 2))
        found.append((x, y, part, *sides))
    x, y, part, right, down = (np.concatenate(each) for each in zip(*found, strict=True))
    return _Corners(x=x, y=y, part=part, right=right, down=down)


def _partners(order: np.ndarray) -> list[int]:
    """Of corners in order, the first two belong together, the next two, and so on."""
    partner = np.empty(len(order), np.int64)
    partner[order[0::2]], partner[order[1::2]] = order[1::2], order[0::2]
    return partner.tolist()


def _area(ring: Ring) -> float:
    x, y = np.array(ring).T
    return abs(float(np.dot(x[:-1], y[1:]) - np.dot(x[1:], y[:-1])))
