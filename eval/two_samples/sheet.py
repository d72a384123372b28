"""A page with the tiles that the classifiers were surest of, real and synthetic."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Read = Callable[[str], NDArray[np.uint8]]

_THUMBNAIL, _GAP, _TEXT, _LEFT = 112, 8, 14, 190
_BLACK, _GRAY = (0, 0, 0), (110, 110, 110)


def draw_sheet(
    surest: Mapping[str, Mapping[str, Sequence[str]]],
    titles: Mapping[str, str],
    read: Mapping[str, Read],
) -> Image.Image:
    """A row for each test in `surest`, called by its title; groups of tiles side by side.

    `read` gives a tile (H, W, 3), uint8, by its name: those of "real" and of "synthetic", with
    which the names of the groups begin.
    """
    rows = list(surest.items())
    groups = list(rows[0][1]) if rows else []
    most = max((len(names) for _, found in rows for names in found.values()), default=1)
    group_width = most * (_THUMBNAIL + _GAP) + _GAP
    size = _LEFT + len(groups) * group_width, _TEXT * 2 + len(rows) * (_THUMBNAIL + _GAP) + _GAP
    page = Image.new("RGB", size, "white")
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(_TEXT)
    for column, group in enumerate(groups):
        draw.text((_LEFT + column * group_width, _GAP // 2), group, font=font, fill=_BLACK)
    for row, (name, found) in enumerate(rows):
        top = 2 * _TEXT + row * (_THUMBNAIL + _GAP)
        draw.text((_GAP, top + _THUMBNAIL // 2), titles[name], font=font, fill=_GRAY)
        for column, group in enumerate(groups):
            reader = read[group.partition(",")[0]]
            for number, tile in enumerate(found[group]):
                left = _LEFT + column * group_width + number * (_THUMBNAIL + _GAP)
                page.paste(_thumbnail(reader(tile)), (left, top))
    return page


def _thumbnail(tile_HWC: NDArray[np.uint8]) -> Image.Image:
    """The tile at most so large, its aspect kept; small ones by whole pixels."""
    height, width = tile_HWC.shape[:2]
    scale = _THUMBNAIL / max(height, width)
    if scale >= 1:
        size = width * int(scale), height * int(scale)
        return Image.fromarray(tile_HWC).resize(size, Image.Resampling.NEAREST)
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    return Image.fromarray(tile_HWC).resize(size, Image.Resampling.LANCZOS)
