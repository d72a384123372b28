"""The colours and indices of all label maps together: what a schema is proposed from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from histosyn.codes import Codes, packed_colors


@dataclass(kw_only=True)
class Inventory:
    """Pixels and files by index (256,), in grayscale and palette files, and by packed colour.

    `colors` is of colour files, `palette_colors` of palette files, whose indices have the colours
    `palette`: index -> packed colours.
    """

    index_pixels: np.ndarray = field(default_factory=lambda: np.zeros(256, dtype=np.int64))
    index_files: np.ndarray = field(default_factory=lambda: np.zeros(256, dtype=np.int64))
    colors: Counter[int] = field(default_factory=Counter)
    palette_colors: Counter[int] = field(default_factory=Counter)
    files_of_color: Counter[int] = field(default_factory=Counter)
    palette: dict[int, set[int]] = field(default_factory=dict)

    def count(self, codes: Codes) -> None:
        """Take in one label map."""
        if codes.indices is not None:
            self.index_pixels[codes.indices] += codes.pixels
            self.index_files[codes.indices] += 1
        if codes.colors is None:
            return
        packed = packed_colors(codes.colors).tolist()
        pixels_of = self.colors if codes.indices is None else self.palette_colors
        for color, pixels in zip(packed, codes.pixels.tolist(), strict=True):
            pixels_of[color] += pixels
        self.files_of_color.update(set(packed))
        if codes.indices is not None:
            for index, color in zip(codes.indices.tolist(), packed, strict=True):
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


def take_inventory(codes: Iterable[Codes]) -> Inventory:
    """Count the codes of all label maps."""
    inventory = Inventory()
    for item in codes:
        inventory.count(item)
    return inventory
