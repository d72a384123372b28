"""Tiling: cutting a large tile and its label map into squares on a grid."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hpc.errors import DatasetError


@dataclass(frozen=True, kw_only=True)
class Window:
    """A square of the grid: its row and column there, and what it cuts out of an array."""

    row: int
    column: int
    area: tuple[slice, slice]


def grid_windows(
    shape: tuple[int, int], size: int, name: str, overlap: int = 0
) -> Iterator[Window]:
    """The squares of a grid that lies centred in `shape`, each `overlap` pixels into the next.

    Raises DatasetError, calling the file `name`, if not even one square fits.
    """
    rows, columns = grid_starts(shape, size, name, overlap)
    for row, y in enumerate(rows):
        for column, x in enumerate(columns):
            area = (slice(y, y + size), slice(x, x + size))
            yield Window(row=row, column=column, area=area)


def grid_starts(
    shape: tuple[int, int], size: int, name: str, overlap: int = 0
) -> tuple[range, range]:
    """Where the rows and the columns of that grid begin; raises the same."""
    height, width = shape
    if min(height, width) < size:
        raise DatasetError(
            f"{name} is {width}x{height} pixels, too small for tiles of {size}. "
            "Choose a smaller --tile-size or leave the file out."
        )
    stride = size - overlap
    return _starts(height, size, stride), _starts(width, size, stride)


def _starts(length: int, size: int, stride: int) -> range:
    count = (length - size) // stride + 1
    covered = (count - 1) * stride + size
    first = (length - covered) // 2
    return range(first, first + count * stride, stride)
