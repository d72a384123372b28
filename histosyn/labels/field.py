"""Label maps of any size: read in bounded memory, kept on disk, looked at window by window."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Protocol

import numpy as np

from histosyn.images.strips import field_size, image_parts
from histosyn.labels.label_map import checked_meaning
from histosyn.labels.pixel_values import PixelValues, packed_colors, read_pixel_values
from histosyn.labels.schema import LabelSchema
from hpc.errors import DatasetError
from hpc.files import atomic_file

Window = tuple[int, int, np.ndarray]


class Field(Protocol):
    """A label map that is looked at window by window: `size` is (H, W)."""

    size: tuple[int, int]

    def window(self, rows: range, columns: range) -> np.ndarray:
        """Class indices, uint8, of these rows and columns; of every other one with a step of 2."""


class ArrayField:
    """A label map in memory."""

    def __init__(self, labels_HW: np.ndarray) -> None:
        self._labels_HW = labels_HW
        self.size: tuple[int, int] = (labels_HW.shape[0], labels_HW.shape[1])

    def window(self, rows: range, columns: range) -> np.ndarray:
        """As `Field.window`."""
        return self._labels_HW[_slice(rows), _slice(columns)]


class FileField:
    """A label map in a file of one byte a pixel, row after row."""

    def __init__(self, path: Path, size: tuple[int, int]) -> None:
        self._path = path
        self.size = size
        if path.stat().st_size != size[0] * size[1]:
            raise DatasetError(f"{path} has not {size[0] * size[1]:,} bytes. Remove it.")

    def window(self, rows: range, columns: range) -> np.ndarray:
        """As `Field.window`."""
        width = columns.stop - columns.start
        found = np.empty((len(rows), len(columns)), np.uint8)
        with self._path.open("rb") as file:
            for number, row in enumerate(rows):
                data = os.pread(file.fileno(), width, row * self.size[1] + columns.start)
                found[number] = np.frombuffer(data, np.uint8)[:: columns.step]
        return found


class ResampledField:
    """A label map at another scale, by the nearest pixel, as `resample_labels` does it."""

    def __init__(self, field: Field, size: tuple[int, int]) -> None:
        self._field = field
        self.size = size
        self._rows, self._columns = map(_nearest, size, field.size)

    def window(self, rows: range, columns: range) -> np.ndarray:
        """As `Field.window`."""
        y, x = self._rows[_slice(rows)], self._columns[_slice(columns)]
        whole = self._field.window(range(y[0], y[-1] + 1), range(x[0], x[-1] + 1))
        return whole[np.ix_(y - y[0], x - x[0])]


def field_of_image(path: Path, schema: LabelSchema, kept: Path, name: str) -> FileField:
    """The label map in a PNG or TIFF of any size, as `read_label_map` reads it.

    Its class indices go into the file `kept`, unless it is there. Raises LabelError for a value or
    colour that means no class, DatasetError for damage.
    """
    size = field_size(path)
    if size is None:
        raise DatasetError(f"{name} is no PNG or TIFF, or damaged. Replace the file.")
    if not kept.exists():
        values = _merged([part for _, _, part, _ in _values_of(path, name)])
        classes = checked_meaning(values, schema, name)
        windows = (
            (top, left, classes[_places(part, values)][code_HW])
            for top, left, part, code_HW in _values_of(path, name)
        )
        write_field(kept, size, windows)
    return FileField(kept, size)


def write_field(path: Path, size: tuple[int, int], windows: Iterable[Window]) -> None:
    """Write windows of a label map, (top, left, classes), to where they belong in a file."""
    height, width = size
    with atomic_file(path) as file:
        file.truncate(height * width)
        for top, left, classes_HW in windows:
            inside = classes_HW[: height - top, : width - left]
            if inside.shape[1] == width:
                _write_at(file.fileno(), np.ascontiguousarray(inside), top * width)
                continue
            for number, row in enumerate(np.ascontiguousarray(inside)):
                _write_at(file.fileno(), row, (top + number) * width + left)


def _write_at(descriptor: int, classes: np.ndarray, offset: int) -> None:
    """All of it: a disk that fills takes a part of a write and says so only of the next."""
    data = classes.data.cast("B")
    while data:
        written = os.pwrite(descriptor, data, offset)
        data, offset = data[written:], offset + written


def _values_of(path: Path, name: str) -> Iterator[tuple[int, int, PixelValues, np.ndarray]]:
    for part in image_parts(path, name):
        values, code_HW = read_pixel_values(part.data, name)
        yield part.top, part.left, values, code_HW


def _merged(parts: list[PixelValues]) -> PixelValues:
    """What the parts of a file hold together."""
    by_value: Callable[[PixelValues], np.ndarray] = _keys(parts)
    keys = np.concatenate([by_value(part) for part in parts])
    used, first = np.unique(keys, return_index=True)
    counts = np.concatenate([part.pixels for part in parts])
    pixels = np.zeros(len(used), np.int64)
    np.add.at(pixels, np.searchsorted(used, keys), counts)
    return PixelValues(
        pixels=pixels,
        indices=_joined([part.indices for part in parts], first),
        colors=_joined([part.colors for part in parts], first),
    )


def _keys(parts: list[PixelValues]) -> Callable[[PixelValues], np.ndarray]:
    """What tells pixel values apart: indices, unless a part has none."""
    if all(part.indices is not None for part in parts):
        return lambda part: np.asarray(part.indices).astype(np.int64)
    return lambda part: packed_colors(np.asarray(part.colors)).astype(np.int64)


def _joined(arrays: list[np.ndarray | None], first: np.ndarray) -> np.ndarray | None:
    found = [array for array in arrays if array is not None]
    return np.concatenate(found)[first] if len(found) == len(arrays) else None


def _places(part: PixelValues, values: PixelValues) -> np.ndarray:
    keys = _keys([values])
    return np.searchsorted(keys(values), keys(part))


def _slice(numbers: range) -> slice:
    return slice(numbers.start, numbers.stop, numbers.step)


def _nearest(length: int, of: int) -> np.ndarray:
    """Which of `of` pixels each of `length` takes; summed up step by step, as Pillow does."""
    step = of / length
    centres = np.add.accumulate(np.concatenate([[step * 0.5], np.full(length - 1, step)]))
    return np.minimum(centres.astype(np.int64), of - 1)
