"""The closest pairs as a picture: each tile turned as it fits best, beside its training tile."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from eval.memorization.neighbours import turned

Read = Callable[[str], NDArray[np.uint8]]

_THUMBNAIL, _GAP, _TEXT, _LEFT = 128, 8, 14, 8
_BLACK, _GRAY = (0, 0, 0), (90, 90, 90)
_ROLES = {
    "synthetic": "synthetic tile | training tile",
    "held_out": "held-out tile | training tile",
}


def draw_sheet(
    closest: Mapping[str, Mapping[str, Sequence[Mapping[str, Any]]]], read: Mapping[str, Read]
) -> Image.Image:
    """A row for each kind of distance and side, its pairs from the closest on.

    `read` gives a tile (H, W, 3), uint8, by its name, for each role.
    """
    rows = [(f"by {space}: {_ROLES[role]}", role, pairs)
            for space, found in closest.items() for role, pairs in found.items()]  # fmt: skip
    most = max(len(pairs) for _, _, pairs in rows)
    width = 2 * _THUMBNAIL + 3 * _GAP
    height = _THUMBNAIL + 2 * (_TEXT + _GAP) + _GAP
    page = Image.new("RGB", (_LEFT + most * width, len(rows) * height + _GAP), "white")
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(_TEXT)
    for number, (title, role, pairs) in enumerate(rows):
        top = number * height + _GAP
        draw.text((_LEFT, top), title, font=font, fill=_BLACK)
        for column, pair in enumerate(pairs):
            left, below = _LEFT + column * width, top + _TEXT + _GAP
            tiles = (turned(read[role](pair["tile"]), pair["symmetry"]),
                     read["training"](pair["training_tile"]))  # fmt: skip
            for place, tile in enumerate(tiles):
                page.paste(_thumbnail(tile), (left + place * (_THUMBNAIL + 2), below))
            text = f"{pair['distance']:.3g}"
            draw.text((left, below + _THUMBNAIL + 2), text, font=font, fill=_GRAY)
    return page


def _thumbnail(tile_HWC: NDArray[np.uint8]) -> Image.Image:
    image = Image.fromarray(tile_HWC)
    scale = _THUMBNAIL / max(image.size)
    size = tuple(max(round(side * scale), 1) for side in image.size)
    kind = Image.Resampling.LANCZOS if scale < 1 else Image.Resampling.NEAREST
    return image.resize((size[0], size[1]), kind)
