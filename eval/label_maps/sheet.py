"""The new label maps that agree most with a real one, each beside it, as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PIL import Image, ImageDraw, ImageFont, ImageOps

from eval.segmenter.labelled_tiles import Labels
from histosyn.labels.label_map import label_image

_SIDE, _GAP, _TEXT, _ACROSS = 192, 10, 14, 3
# White is the colour of some classes: the frame shows where a map ends.
_FRAME = "#b0b0b0"


def draw_nearest(
    nearest: Sequence[dict[str, Any]], real: Labels, new: Labels, most: int = 12
) -> Image.Image:
    """Pairs of new map and nearest real map, those that agree most first, and how much they do."""
    pairs = nearest[:most]
    width, height = 2 * _SIDE + 3 * _GAP, _SIDE + _TEXT + 4 * _GAP
    rows = -(-len(pairs) // _ACROSS)
    page = Image.new("RGB", (_ACROSS * width, rows * height), "white")
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(_TEXT)
    for place, pair in enumerate(pairs):
        left, top = place % _ACROSS * width + _GAP, place // _ACROSS * height + _GAP
        for shift, labels, name in ((0, new, pair["map"]), (1, real, pair["nearest"])):
            picture = label_image(labels.read(name), labels.schema).convert("RGB")
            fitted = ImageOps.contain(picture, (_SIDE - 2, _SIDE - 2), Image.Resampling.NEAREST)
            framed = ImageOps.expand(fitted, 1, _FRAME)
            page.paste(framed, (left + shift * (_SIDE + _GAP // 2), top))
        told = f"new | real, {pair['agreement']:.0%} of the pixels agree"
        draw.text((left, top + _SIDE + _GAP // 4), told, font=font, fill="black")
    return page
