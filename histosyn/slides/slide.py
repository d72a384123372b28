"""Whole-slide images: the only module that calls OpenSlide.

A slide is read window by window at any resolution. Nothing of it is kept but what OpenSlide keeps
itself, so memory does not grow with the slide.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from PIL import Image

from histosyn.annotations.grid import Grid
from histosyn.images.limits import MAX_PIXELS
from histosyn.images.resolution import plausible_mpp
from hpc.errors import DatasetError
from hpc.extras import missing_extra

try:
    import openslide
except (ImportError, OSError) as error:
    raise missing_extra("Reading slides", "OpenSlide", "slides", error) from error

# LANCZOS looks at so many new pixels on each side of one; two more for rounding.
_SUPPORT, _SPARE = 3, 2
_EMPTY = (255, 255, 255)


class Slide:
    """An open slide. `size` is (H, W) at full resolution, `mpp` microns per pixel there, if known.

    Where a scanner says which part of its canvas it has scanned (bounds), this part is the slide,
    as it is for QuPath. Raises DatasetError for a file that OpenSlide cannot open.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = self._opened()
        told = self._file.properties
        self._origin = tuple(_whole(told.get(f"openslide.bounds-{axis}"), 0) for axis in "xy")
        width, height = (
            _whole(told.get(f"openslide.bounds-{side}"), full)
            for side, full in zip(("width", "height"), self._file.dimensions, strict=True)
        )
        self.size = height, width
        self.mpp = _resolution(self._file)

    def __enter__(self) -> Slide:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the file back."""
        self._file.close()

    def grid_size(self, step: float) -> tuple[int, int]:
        """Height and width in pixels that are `step` pixels of the slide wide, whole ones."""
        height, width = (int(side / step + 1e-6) for side in self.size)
        return height, width

    def read(self, grid: Grid) -> np.ndarray:
        """A window as uint8 RGB (H, W, 3); what was not scanned is white.

        Read from the next finer level, and brought to the resolution with LANCZOS over what lies
        around the window, too: windows of a slide fit together. Raises DatasetError that names
        slide and place where it is damaged.
        """
        level = self._level_for(grid.step)
        across, down = self._span(grid, level, 0), self._span(grid, level, 1)
        size = across.length, down.length
        if math.prod(size) > MAX_PIXELS:
            raise DatasetError(
                f"{self.path} has no level near {grid.step:.3g} pixels a pixel: a tile would be "
                f"made of {size[0]}x{size[1]}. Save it as a pyramid, or choose a finer --mpp."
            )
        image = self._region((across.location, down.location), level, size, grid)
        box = (across.box[0], down.box[0], across.box[1], down.box[1])
        height, width = grid.size
        if box == (box[0] // 1, box[1] // 1, box[0] + width, box[1] + height):
            left, top = int(box[0]), int(box[1])
            return np.array(image)[top : top + height, left : left + width].copy()
        return np.array(image.resize((width, height), Image.Resampling.LANCZOS, box=box))

    def _level_for(self, step: float) -> int:
        """The coarsest level that is not coarser than this."""
        scales = self._file.level_downsamples
        return max(
            (level for level, scale in enumerate(scales) if scale <= step * (1 + 1e-3)), default=0
        )

    def _span(self, grid: Grid, level: int, axis: int) -> _Span:
        scale = self._file.level_downsamples[level]
        first = self._origin[axis] + (grid.left, grid.top)[axis]
        start = first / scale
        stop = (first + grid.size[1 - axis] * grid.step) / scale
        if abs(start - round(start)) < 1e-6 and abs((stop - start) - grid.size[1 - axis]) < 1e-6:
            start, stop = round(start), round(start) + grid.size[1 - axis]
        margin = math.ceil(_SUPPORT * grid.step / scale) + _SPARE
        low = max(math.floor(start) - margin, 0)
        high = min(math.ceil(stop) + margin, self._file.level_dimensions[level][axis])
        # The place is told in whole pixels of the finest level.
        location = round(low * scale)
        low_there = location / scale if abs(location / scale - low) > 1e-6 else float(low)
        return _Span(location, high - low, (start - low_there, stop - low_there))

    def _region(
        self, location: tuple[int, int], level: int, size: tuple[int, int], grid: Grid
    ) -> Image.Image:
        try:
            image = self._file.read_region(location, level, size)
        except (openslide.OpenSlideError, OSError, ValueError) as error:
            # After an error OpenSlide answers nothing else any more.
            self._file.close()
            self._file = self._opened()
            raise DatasetError(
                f"{self.path} cannot be read at x={grid.left:.0f}, y={grid.top:.0f} (level "
                f"{level}): {error}. Copy or export the slide again."
            ) from error
        whole = Image.new("RGB", image.size, _EMPTY)
        whole.paste(image, mask=image.getchannel("A"))
        return whole

    def _opened(self) -> openslide.OpenSlide:
        try:
            return openslide.OpenSlide(self.path)
        except openslide.OpenSlideUnsupportedFormatError as error:
            raise DatasetError(
                f"{self.path} is no slide that OpenSlide can open. Convert it, for instance to a "
                "pyramidal TIFF, or leave it out."
            ) from error
        except (openslide.OpenSlideError, OSError) as error:
            raise DatasetError(
                f"{self.path} cannot be opened as a slide: {error}. Copy or export it again, or "
                "leave it out."
            ) from error


class _Span:
    """Along one axis: where to read (full resolution), how much of the level, which part of it."""

    def __init__(self, location: int, length: int, box: tuple[float, float]) -> None:
        self.location = location
        self.length = length
        self.box = max(box[0], 0.0), min(box[1], float(length))


def versions() -> dict[str, str]:
    """Of the libraries that decode slides, for `dataset.json`."""
    return {
        "openslide": str(openslide.__library_version__),
        "openslide_python": str(openslide.__version__),
    }


def _resolution(file: openslide.OpenSlide) -> float | None:
    told = [file.properties.get(f"openslide.mpp-{axis}") for axis in "xy"]
    try:
        across, down = (float(text) for text in told if text is not None)
        return plausible_mpp((across, down))
    except (ValueError, ZeroDivisionError):
        return None


def _whole(text: str | None, default: int) -> int:
    """What a property says, if it is a number of pixels."""
    return int(text) if text is not None and text.isdecimal() else default
