"""Counts of the colours and indices of all label maps, from which a schema is proposed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np

from histosyn.doctor.interpretation import stretch_of
from histosyn.labels.pixel_values import PixelValues, packed_colors

# Index maps whose values were stretched to be visible have few classes.
STRETCHED_CLASSES = 16


@dataclass(kw_only=True)
class ValueCounts:
    """Pixels by index (256,), in grayscale and palette files, and by packed colour.

    `stretched_pixels` (256,) are apart: those of grayscale files whose values look like indices
    times a factor. `colors` is of colour files, `palette_colors` of palette files, whose indices
    have the colours `palette`: index -> packed colours.
    """

    index_pixels: np.ndarray = field(default_factory=lambda: np.zeros(256, dtype=np.int64))
    stretched_pixels: np.ndarray = field(default_factory=lambda: np.zeros(256, dtype=np.int64))
    colors: Counter[int] = field(default_factory=Counter)
    palette_colors: Counter[int] = field(default_factory=Counter)
    palette: dict[int, set[int]] = field(default_factory=dict)

    def count(self, pixel_values: PixelValues) -> None:
        """Take in one label map."""
        if pixel_values.indices is not None:
            stretched = pixel_values.colors is None and stretch_of(
                pixel_values.indices, STRETCHED_CLASSES
            )
            pixels_of_index = self.stretched_pixels if stretched else self.index_pixels
            pixels_of_index[pixel_values.indices] += pixel_values.pixels
        if pixel_values.colors is not None:
            self._count_colors(pixel_values.colors, pixel_values)

    def _count_colors(self, colors: np.ndarray, pixel_values: PixelValues) -> None:
        packed = packed_colors(colors).tolist()
        pixels_of = self.colors if pixel_values.indices is None else self.palette_colors
        for color, pixels in zip(packed, pixel_values.pixels.tolist(), strict=True):
            pixels_of[color] += pixels
        if pixel_values.indices is not None:
            for index, color in zip(pixel_values.indices.tolist(), packed, strict=True):
                self.palette.setdefault(index, set()).add(color)

    @property
    def all_colors(self) -> Counter[int]:
        """Pixels of each packed colour in colour and palette files."""
        return self.colors + self.palette_colors

    @property
    def palette_is_plain(self) -> bool:
        """Whether each index of palette files has one colour in all files, and no two the same."""
        colors = [color for of_index in self.palette.values() for color in of_index]
        return len(colors) == len(self.palette) == len(set(colors))

    @property
    def palette_contradicts(self) -> bool:
        """Whether an index has different colours in different files."""
        return any(len(colors) > 1 for colors in self.palette.values())


def count_values(pixel_values: Iterable[PixelValues]) -> ValueCounts:
    """Count the pixel values of all label maps."""
    counts = ValueCounts()
    grays = []
    for item in pixel_values:
        if item.all_gray:
            grays.append(item)
        else:
            counts.count(item)
    # White or black alone, among colours; by themselves grays are values.
    among_colors = bool(counts.colors)
    for item in grays:
        counts.count(replace(item, indices=None) if among_colors else replace(item, colors=None))
    return counts
