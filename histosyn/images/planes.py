"""TIFFs of several channels, a class each: as pages, or as samples of a pixel.

QuPath writes such label maps (`multichannelOutput`). Pillow reads pages; of samples it takes no
more than four, and of ImageJ's stacks the first only: these tifffile reads, if it is installed.
"""

from __future__ import annotations

import io
import math

import numpy as np

from histosyn.images.file import ImageSource, image_bytes, opened_frames
from histosyn.images.formats import format_of
from histosyn.images.limits import MAX_PIXELS
from hpc.errors import InputError

# A class index has 8 bits.
MOST_PLANES = 254
_INDEX_MODES = ("L", "1")


def read_planes(source: ImageSource, name: str) -> np.ndarray | None:
    """The channels of a TIFF, uint8 (C, H, W), if it holds 2 to 254 of one size and 8 bits.

    None for others, and for what only tifffile could read if that is not installed.
    """
    data = image_bytes(source, name)
    if format_of(data) != "TIFF":
        return None
    found = _pages(data, name)
    return _samples(data) if found is None else found


def _pages(data: bytes, name: str) -> np.ndarray | None:
    try:
        with opened_frames(data, name) as image:
            count = getattr(image, "n_frames", 1)
            if not 2 <= count <= MOST_PLANES or count * math.prod(image.size) > MAX_PIXELS:
                return None
            planes: list[np.ndarray] = []
            for number in range(count):
                image.seek(number)
                if image.mode not in _INDEX_MODES or image.size[::-1] != (
                    planes[0].shape if planes else image.size[::-1]
                ):
                    return None
                planes.append(np.array(image, dtype=np.uint8))
            return np.stack(planes)
    except InputError:
        return None


def _samples(data: bytes) -> np.ndarray | None:
    try:
        import tifffile

        with tifffile.TiffFile(io.BytesIO(data)) as file:
            series = file.series[0]
            if len(series.shape) != 3 or math.prod(series.shape) > MAX_PIXELS:
                return None
            if series.dtype != np.uint8:
                return None
            found = np.asarray(series.asarray())
            last = series.axes.endswith("S")
    except Exception:  # what decoders stumble over in damaged files has any type; no tifffile
        return None
    found = np.moveaxis(found, 2, 0) if last else found
    return found if 2 <= len(found) <= MOST_PLANES else None
