"""A page to look at: tiles over their label maps, with what the colours mean.

Pillow's built-in font knows ASCII only, so texts of other scripts appear as far as it goes.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

Color = tuple[int, int, int]
Size = tuple[int, int]

# Eight thumbnails of this side fill the widest page.
_BOX = 208
_WIDEST, _NARROWEST = 1796, 720
_MARGIN, _GAP, _TIGHT = 24, 12, 4
_TITLE, _TEXT, _SMALL = 24, 15, 12
_SWATCH = 16
_BLACK, _GRAY, _PALE, _EDGE = (0, 0, 0), (100, 100, 100), (222, 222, 222), (190, 190, 190)


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A sample on the page: thumbnails of its tile and of its label map, both of one size.

    None for a sample that cannot be read: its place is crossed out.
    """

    key: str
    thumbnails: tuple[Image.Image, Image.Image] | None


@dataclass(frozen=True, kw_only=True)
class LegendItem:
    """What a colour means, such as "nuclei 25.0%"."""

    text: str
    color: Color


@dataclass(frozen=True, kw_only=True)
class Section:
    """A part of a data set: `tile_size` is (H, W) of all its tiles, which are at least one."""

    title: str
    facts: str
    legend: tuple[LegendItem, ...]
    pictures: tuple[Picture, ...]
    tile_size: Size


def draw_page(sections: Sequence[Section]) -> Image.Image:
    """The sections below each other on white, at most 1800 pixels wide."""
    grids = [_Grid(section) for section in sections]
    inside = max(_NARROWEST - 2 * _MARGIN, *(grid.size[0] for grid in grids))
    blocks = [
        block
        for section, grid in zip(sections, grids, strict=True)
        for block in (_heading(section, inside), _legend(section, inside), grid.draw())
    ]
    height = sum(block.height + 2 * _GAP for block in blocks) - 2 * _GAP + 2 * _MARGIN
    page = Image.new("RGB", (inside + 2 * _MARGIN, height), "white")
    top = _MARGIN
    for block in blocks:
        page.paste(block, (_MARGIN, top))
        top += block.height + 2 * _GAP
    return page


def picture(key: str, tile_HWC: np.ndarray, label_colors_HWC: np.ndarray) -> Picture:
    """What remains of a sample on the page: tiles averaged, label maps by the nearest pixel.

    Both are uint8 RGB. Small images get whole multiples of their pixels, not invented ones.
    """
    size = thumbnail_size(tile_HWC.shape[:2])
    nearest = Image.Resampling.NEAREST
    how = nearest if size[0] > tile_HWC.shape[1] else Image.Resampling.LANCZOS
    tile = Image.fromarray(tile_HWC).resize(size, how)
    labels = Image.fromarray(label_colors_HWC).resize(size, nearest)
    return Picture(key=key, thumbnails=(tile, labels))


def thumbnail_size(tile_size: tuple[int, ...]) -> Size:
    """(width, height) of a tile (H, W) on the page."""
    height, width = tile_size
    scale = _BOX / max(height, width)
    if scale >= 1:
        return width * int(scale), height * int(scale)
    return max(round(width * scale), 1), max(round(height * scale), 1)


class _Grid:
    """Samples in rows: the tile, its label map below it, and the key below that."""

    def __init__(self, section: Section) -> None:
        self.pictures = section.pictures
        self.width, self.height = thumbnail_size(section.tile_size)
        self.cell = (
            max(self.width, _BOX // 2) + _GAP,
            2 * (self.height + _TIGHT) + 2 * _GAP + _SMALL,
        )
        most = max((_WIDEST - 2 * _MARGIN + _GAP) // self.cell[0], 1)
        self.rows = -(-len(self.pictures) // most)
        self.columns = -(-len(self.pictures) // self.rows)
        self.size = self.columns * self.cell[0] - _GAP, self.rows * self.cell[1] - _GAP

    def draw(self) -> Image.Image:
        image = Image.new("RGB", self.size, "white")
        for number, picture in enumerate(self.pictures):
            row, column = divmod(number, self.columns)
            self._place(image, picture, (column * self.cell[0], row * self.cell[1]))
        return image

    def _place(self, image: Image.Image, picture: Picture, corner: Size) -> None:
        left, top = corner
        draw = ImageDraw.Draw(image)
        crossed = _crossed((self.width, self.height))
        for thumbnail in picture.thumbnails or (crossed, crossed):
            image.paste(thumbnail, (left, top))
            # White tissue and white classes would have no edge on white paper.
            edge = (left, top, left + self.width - 1, top + self.height - 1)
            draw.rectangle(edge, outline=_EDGE)
            top += self.height + _TIGHT
        key = fitting(picture.key, _SMALL, self.cell[0] - _GAP)
        draw.text((left, top), key, font=font(_SMALL), fill=_GRAY)


def _heading(section: Section, width: int) -> Image.Image:
    image = Image.new("RGB", (width, _TITLE + _TIGHT + _TEXT + _TIGHT), "white")
    draw = ImageDraw.Draw(image)
    draw.text((0, 0), fitting(section.title, _TITLE, width), font=font(_TITLE), fill=_BLACK)
    facts = fitting(section.facts, _TEXT, width)
    draw.text((0, _TITLE + _TIGHT), facts, font=font(_TEXT), fill=_GRAY)
    return image


def _legend(section: Section, width: int) -> Image.Image:
    """Swatches with their texts, in as many lines as they need."""
    letters, places = font(_TEXT), []
    left, line, pitch = 0, 0, _SWATCH + _GAP
    for item in section.legend:
        text = fitting(item.text, _TEXT, width - pitch)
        needed = _SWATCH + _GAP // 2 + round(letters.getlength(text))
        if left and left + needed > width:
            left, line = 0, line + 1
        places.append((left, line * pitch, text))
        left += needed + 2 * _GAP
    image = Image.new("RGB", (width, (line + 1) * pitch - _GAP + _TIGHT), "white")
    draw = ImageDraw.Draw(image)
    for item, (x, y, text) in zip(section.legend, places, strict=True):
        swatch = (x, y, x + _SWATCH - 1, y + _SWATCH - 1)
        draw.rectangle(swatch, fill=item.color, outline=_EDGE)
        draw.text((x + _SWATCH + _GAP // 2, y - 1), text, font=letters, fill=_BLACK)
    return image


def _crossed(size: Size) -> Image.Image:
    image = Image.new("RGB", size, _PALE)
    draw = ImageDraw.Draw(image)
    right, bottom = size[0] - 1, size[1] - 1
    draw.line((0, 0, right, bottom), fill=_GRAY, width=2)
    draw.line((0, bottom, right, 0), fill=_GRAY, width=2)
    return image


def fitting(text: str, size: int, width: int) -> str:
    """The text as far as the font has it, without its middle if it is wider than `width`."""
    text = unicodedata.normalize("NFKD", text)
    text = "".join(item for item in text if not unicodedata.combining(item))
    text = text.encode("ascii", "replace").decode()
    letters = font(size)
    if letters.getlength(text) <= width:
        return text
    kept = len(text) - 1
    while kept > 2 and letters.getlength(_shortened(text, kept)) > width:
        kept -= 1
    return _shortened(text, kept)


def _shortened(text: str, kept: int) -> str:
    return f"{text[: kept // 2]}..{text[len(text) - (kept - kept // 2) :]}"


def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's own, of so many pixels."""
    return ImageFont.load_default(size)
