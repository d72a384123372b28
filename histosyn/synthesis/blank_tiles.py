"""Detecting blank tiles: the output of damaged weights, or of a failed training.

One colour everywhere, or nothing but black and white. Glass alone may look like that, so a label
map of a single class is never asked.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hpc.log import logger

_SATURATED_SHARE = 0.99
_NAMED = 5


def blank_fault(tile_HWC: np.ndarray, labels_HW: np.ndarray) -> str | None:
    """Why a tile (uint8) of several classes shows nothing; None if it shows something."""
    if labels_HW.min() == labels_HW.max():
        return None
    if (tile_HWC == tile_HWC[0, 0]).all():
        return "of one colour"
    # 0 and 255 are what lies within 1 of 0 once 1 is added, which wraps around.
    saturated = np.count_nonzero(tile_HWC + np.uint8(1) <= 1) / tile_HWC.size
    return "saturated: black and white only" if saturated >= _SATURATED_SHARE else None


def warn_of_blank_tiles(out: Path, blank: dict[str, str], made: int) -> None:
    """Warn of the tiles of a folder that show nothing, by name."""
    if not blank:
        return
    named = ", ".join(f"{out / name} ({blank[name]})" for name in sorted(blank)[:_NAMED])
    more = f" and {len(blank) - _NAMED} more" if len(blank) > _NAMED else ""
    logger.warning(
        "%d of %d tiles show nothing, though their label maps have several classes: %s%s. The "
        "model's weights are damaged, or its training went wrong: compare with its samples.",
        len(blank), made, named, more,
    )  # fmt: skip
