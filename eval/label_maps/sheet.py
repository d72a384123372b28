"""The new label maps that agree most with a real one, each beside it, as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from eval.segmenter.labelled_tiles import Labels
from histosyn.labels.label_map import label_image

_SIDE, _GAP, _TEXT, _ACROSS = 192, 10, 14, 3


def draw_nearest(
    nearest: Sequence[dict[str, Any]], real: Labels, new: Labels, most: int = 12
) -> Image.Image:
    """Pairs of new map and nearest real map, those that agree most first, and how much they do."""
    pairs = nearest[:most]
    width, height = 2 * _SIDE + 3 * _GAP, _SIDE + _TEXT + 3 * _GAP
    rows = -(-len(pairs) // _ACROSS)
    page = Image.new("RGB", (_ACROSS * width, rows * height), "white")
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(_TEXT)
    for place, pair in enumerate(pairs):
        left, top = place % _ACROSS * width + _GAP, place // _ACROSS * height + _GAP
        for shift, labels, name in ((0, new, pair["map"]), (1, real, pair["nearest"])):
            thumbnail = label_image(labels.read(name), labels.schema).convert("RGB")
            thumbnail.thumbnail((_SIDE, _SIDE), Image.Resampling.NEAREST)
            page.paste(thumbnail, (left + shift * (_SIDE + _GAP // 2), top))
        told = f"new | real, {pair['agreement']:.0%} of the pixels agree"
        draw.text((left, top + _SIDE + _GAP // 2), told, font=font, fill="black")
    return page
