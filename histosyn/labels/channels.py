"""Label maps of a channel for each class: what is drawn in it is of the class (one-hot)."""

from __future__ import annotations

import numpy as np

from histosyn.images.file import ImageSource
from histosyn.images.planes import read_planes

# Where no channel has anything.
NO_CHANNEL = 255


def read_channels(source: ImageSource, name: str) -> np.ndarray | None:
    """The number of each pixel's channel, uint8 (H, W); None for a file of other kinds of channels.

    The channels hold 0 and one other value, the same in all. Where several have that one the last
    counts, as areas that were drawn later lie over others; where none has it there is `NO_CHANNEL`.
    """
    planes_CHW = read_planes(source, name)
    if planes_CHW is None or not _are_masks(planes_CHW):
        return None
    numbers = np.full(planes_CHW.shape[1:], NO_CHANNEL, dtype=np.uint8)
    for number, plane in enumerate(planes_CHW):
        numbers[plane > 0] = number
    return numbers


def _are_masks(planes_CHW: np.ndarray) -> bool:
    highest = planes_CHW.max(initial=0)
    return bool(((planes_CHW == 0) | (planes_CHW == highest)).all())
