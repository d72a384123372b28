"""What an edit has changed: before, after and the difference in a picture, a share of pixels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from histosyn.images.origin import synthetic_png_bytes
from hpc.errors import DatasetError
from hpc.files import write_bytes

_GAP = 8
_CHANGED = (255, 0, 200)
_FADED = 0.7
# How strong the colour is of a pixel that changed least, and what change has all of it.
_LEAST, _FULL = 0.15, 64


@dataclass(frozen=True, kw_only=True)
class Change:
    """The share of the pixels that differ, and the largest difference, 0 to 255."""

    share: float
    largest: int

    def as_dict(self) -> dict[str, float]:
        """As in the manifest."""
        return {"changed_share": round(self.share, 6), "largest_change": self.largest}


def write_change(path: Path, before_HWC: np.ndarray, after_HWC: np.ndarray, name: str) -> Change:
    """Write before, after, and after in pale with magenta where and as much as it changed.

    Raises DatasetError, which calls the tile `name`, if they are of two sizes.
    """
    if before_HWC.shape != after_HWC.shape:
        sizes = [f"{each.shape[1]}x{each.shape[0]}" for each in (before_HWC, after_HWC)]
        raise DatasetError(
            f"{name} was {sizes[0]} pixels before, and is {sizes[1]}: they cannot be compared. "
            "Edit label maps without changing their size."
        )
    difference = np.abs(before_HWC.astype(np.int16) - after_HWC).max(axis=2)
    pale = (after_HWC * (1 - _FADED) + 255 * _FADED).astype(np.uint8)
    strength = np.where(difference > 0, _LEAST + (1 - _LEAST) * difference / _FULL, 0)
    strength_HW1 = strength.clip(max=1)[..., None]
    pale = (pale * (1 - strength_HW1) + np.array(_CHANGED) * strength_HW1).astype(np.uint8)
    gap = np.full((before_HWC.shape[0], _GAP, 3), 255, np.uint8)
    picture = np.concatenate([before_HWC, gap, after_HWC, gap, pale], axis=1)
    text = {"Description": "Synthetic tissue before and after an edit."}
    write_bytes(path, synthetic_png_bytes(Image.fromarray(picture), text))
    return Change(share=float((difference > 0).mean()), largest=int(difference.max()))
