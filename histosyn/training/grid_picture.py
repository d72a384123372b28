"""The picture of a sample grid: what each row shows, at which step, and what the colours mean.

The ground is a dark gray that neither tissue nor glass has, so that white classes keep their edges.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image, ImageDraw

from histosyn.images.contact_sheet import fitting, font
from histosyn.labels.label_map import LabelSchema

GAP = 4
GROUND = (64, 64, 72)
_PAPER, _EDGE = (235, 235, 235), (160, 160, 160)
_TITLE, _TEXT = 16, 12
_SWATCH = 12


def tile_grid(rows: Sequence[Sequence[np.ndarray]]) -> np.ndarray:
    """Rows of equally large uint8 RGB images as one picture with gray gaps."""
    height, width, _ = rows[0][0].shape
    shape = len(rows) * (height + GAP) - GAP, len(rows[0]) * (width + GAP) - GAP, 3
    canvas = np.full(shape, GROUND, np.uint8)
    for i, row in enumerate(rows):
        for j, image in enumerate(row):
            y, x = i * (height + GAP), j * (width + GAP)
            canvas[y : y + height, x : x + width] = image
    return canvas


def grid_picture(
    rows: Mapping[str, Sequence[np.ndarray]], title: str, schema: LabelSchema
) -> Image.Image:
    """Rows by what they show, of equally large uint8 RGB images, below a title; a legend last."""
    grids = {name: Image.fromarray(tile_grid([row])) for name, row in rows.items()}
    width = max(grid.width for grid in grids.values())
    bands = [_words(title, _TITLE, width)]
    for name, grid in grids.items():
        bands += [_words(name, _TEXT, width), grid]
    bands.append(_legend(schema, width))
    height = sum(band.height + GAP for band in bands) + GAP
    page = Image.new("RGB", (width + 2 * GAP, height), GROUND)
    top = GAP
    for band in bands:
        page.paste(band, (GAP, top))
        top += band.height + GAP
    return page


def _words(text: str, size: int, width: int) -> Image.Image:
    band = Image.new("RGB", (width, size + GAP), GROUND)
    ImageDraw.Draw(band).text((0, 0), fitting(text, size, width), font=font(size), fill=_PAPER)
    return band


def _legend(schema: LabelSchema, width: int) -> Image.Image:
    """A swatch and a name for each class, in as many lines as they need."""
    places, left, line = [], 0, 0
    for item in schema.classes:
        name = fitting(item.name, _TEXT, width - _SWATCH - GAP)
        needed = _SWATCH + GAP + round(font(_TEXT).getlength(name))
        if left and left + needed > width:
            left, line = 0, line + 1
        places.append((left, line * (_SWATCH + GAP), name, item.rgb))
        left += needed + 3 * GAP
    band = Image.new("RGB", (width, (line + 1) * (_SWATCH + GAP)), GROUND)
    draw = ImageDraw.Draw(band)
    for x, y, name, color in places:
        swatch = (x, y, x + _SWATCH - 1, y + _SWATCH - 1)
        draw.rectangle(swatch, fill=tuple(color), outline=_EDGE)
        draw.text((x + _SWATCH + GAP, y - 1), name, font=font(_TEXT), fill=_PAPER)
    return band
