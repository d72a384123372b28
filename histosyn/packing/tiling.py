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
    height, width = shape
    if min(height, width) < size:
        raise DatasetError(
            f"{name} is {width}x{height} pixels, too small for tiles of {size}. "
            "Choose a smaller --tile-size or leave the file out."
        )
    for row, y in enumerate(_starts(height, size, size - overlap)):
        for column, x in enumerate(_starts(width, size, size - overlap)):
            area = (slice(y, y + size), slice(x, x + size))
            yield Window(row=row, column=column, area=area)


def _starts(length: int, size: int, stride: int) -> range:
    count = (length - size) // stride + 1
    covered = (count - 1) * stride + size
    first = (length - covered) // 2
    return range(first, first + count * stride, stride)
