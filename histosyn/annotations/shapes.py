"""Polygons: from coordinates, made valid, and which of a grid's pixels lie inside.

Shapely does the geometry. It is the one library of polygons that tells where an outline crosses
itself, repairs it, and decides exactly on which side of it a point lies, with no dependency but
NumPy; what draws polygons into images (Pillow, scikit-image, GDAL) answers to rules of its own at
outlines, and repairs nothing. It comes with the extra `slides`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from histosyn.annotations.grid import Grid
from hpc.extras import missing_extra

try:
    import shapely
    from shapely.geometry.base import BaseGeometry as Shape
except ImportError as error:
    raise missing_extra("Reading annotations", "shapely", "slides", error) from error

__all__ = ["Shape", "ShapeIndex", "crossing_of", "inside", "polygons_of", "repaired"]

# Squares of so many pixels are tested as a whole; only where an outline runs through one, its
# pixels are.
_BLOCK = 32
# Up to here a shape is cheap to prepare for queries again, and what that costs in memory is not.
_SMALL = 2000


class ShapeIndex:
    """Shapes in the order in which they are painted, found by where they lie."""

    def __init__(self, shapes: Sequence[Shape]) -> None:
        self.shapes = list(shapes)
        self._tree = shapely.STRtree(self.shapes)

    def touching(self, bounds: tuple[float, float, float, float]) -> list[int]:
        """Which shapes come near a rectangle (left, top, right, bottom), in their order."""
        return sorted(self._tree.query(shapely.box(*bounds)).tolist())


def polygons_of(rings_of: Sequence[Sequence[np.ndarray]]) -> Shape | None:
    """A shape of polygons, each an outline and its holes, float (n, 2); None if there is no area.

    Outlines are closed if they are not. Three points are the least; holes of fewer are passed over.
    """
    polygons = [
        shapely.Polygon(rings[0], [hole for hole in rings[1:] if _corners(hole) > 2])
        for rings in rings_of
        if rings and _corners(rings[0]) > 2
    ]
    polygons = [polygon for polygon in polygons if not polygon.is_empty]
    if not polygons:
        return None
    return polygons[0] if len(polygons) == 1 else shapely.MultiPolygon(polygons)


def _corners(ring: np.ndarray) -> int:
    """Points of an outline, the last not counted if it is the first again."""
    return len(ring) - int(len(ring) > 1 and bool((ring[0] == ring[-1]).all()))


def crossing_of(shape: Shape) -> str | None:
    """Why a shape is none, with the place, such as "Self-intersection at 120, 48"; or None."""
    if shape.is_valid:
        return None
    reason, _, place = str(shapely.is_valid_reason(shape)).partition("[")
    numbers = [f"{float(number):.0f}" for number in place.rstrip("]").split()]
    return f"{reason} at {', '.join(numbers)}" if numbers else reason


def repaired(shape: Shape) -> Shape | None:
    """What an outline that crosses itself encloses, as a valid shape; None if that has no area."""
    valid = shapely.make_valid(shape, method="structure", keep_collapsed=False)
    return None if valid.is_empty or not valid.area else valid


def inside(shape: Shape, grid: Grid) -> np.ndarray:
    """Which pixels of a grid lie in a valid shape: bool (H, W)."""
    mask = np.zeros(grid.size, dtype=bool)
    x_W, y_H = grid.centres
    left, top, right, bottom = shape.bounds
    columns = slice(*np.searchsorted(x_W, (left, right)))
    rows = slice(*np.searchsorted(y_H, (top, bottom)))
    if columns.start == columns.stop or rows.start == rows.stop:
        return mask
    shapely.prepare(shape)
    mask[rows, columns] = _inside(shape, x_W[columns], y_H[rows], grid.step / 2)
    if shapely.get_num_coordinates(shape) <= _SMALL:
        shapely.destroy_prepared(shape)
    return mask


def _inside(shape: Shape, x_W: np.ndarray, y_H: np.ndarray, margin: float) -> np.ndarray:
    """Block by block: a shape that has all of a block, a little enlarged, has each pixel of it."""
    mask = np.empty((len(y_H), len(x_W)), dtype=bool)
    columns, rows = _pieces(len(x_W)), _pieces(len(y_H))
    blocks = shapely.box(
        x_W[[piece.start for piece in columns]][None] - margin,
        y_H[[piece.start for piece in rows]][:, None] - margin,
        x_W[[piece.stop - 1 for piece in columns]][None] + margin,
        y_H[[piece.stop - 1 for piece in rows]][:, None] + margin,
    )
    whole, some = shapely.contains_properly(shape, blocks), shapely.intersects(shape, blocks)
    for i, row in enumerate(rows):
        for j, column in enumerate(columns):
            mask[row, column] = (
                whole[i, j]
                if whole[i, j] or not some[i, j]
                else shapely.contains_xy(shape, x_W[None, column], y_H[row, None])
            )
    return mask


def _pieces(length: int) -> list[slice]:
    return [slice(at, min(at + _BLOCK, length)) for at in range(0, length, _BLOCK)]
