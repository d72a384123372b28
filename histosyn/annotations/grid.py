"""The grid of pixels that a window of a slide is read or painted on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Outlines often run exactly through centres of pixels: drawn in whole pixels, read at half the
# resolution. All centres are moved by so many pixels of the slide, across and down, so that one of
# two neighbours gets such a pixel, and never both or none; unequal, so that diagonals are no
# exception.
_TIE_BREAK = (2.0**-20, 2.0**-22)


@dataclass(frozen=True, kw_only=True)
class Grid:
    """The pixels of a window: its upper left corner, and the side of a pixel, in slide pixels.

    `size` is (H, W). A pixel lies in a shape if its centre does.
    """

    left: float
    top: float
    step: float
    size: tuple[int, int]

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom."""
        height, width = self.size
        return (self.left, self.top, self.left + width * self.step, self.top + height * self.step)

    @property
    def centres(self) -> tuple[np.ndarray, np.ndarray]:
        """The centres of columns (W,) and of rows (H,), ties broken."""
        height, width = self.size
        across = self.left + (np.arange(width) + 0.5) * self.step + _TIE_BREAK[0]
        return across, self.top + (np.arange(height) + 0.5) * self.step + _TIE_BREAK[1]
