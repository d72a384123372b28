from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from histosyn.images.contact_sheet import (
    LegendItem,
    Picture,
    Section,
    draw_page,
    picture,
    thumbnail_size,
)

RED, BLUE, WHITE = (200, 30, 40), (10, 20, 220), (255, 255, 255)
MARGIN, GAP = 24, 12


def plain(color: tuple[int, int, int], size: tuple[int, int]) -> np.ndarray:
    return np.full((*size, 3), color, dtype=np.uint8)


def section(pictures: list[Picture], size: tuple[int, int], **changes: object) -> Section:
    facts = {
        "title": "train",
        "facts": "2 samples",
        "legend": (LegendItem(text="red 50.0%", color=RED), LegendItem(text="blue", color=BLUE)),
        "pictures": tuple(pictures),
        "tile_size": size,
    }
    return Section(**facts | changes)


def rows_of(page: Image.Image, color: tuple[int, int, int]) -> list[int]:
    """The rows of pixels in which a colour occurs."""
    found = (np.asarray(page) == color).all(axis=2).any(axis=1)
    return np.flatnonzero(found).tolist()


def test_tiles_stand_over_their_label_maps_under_a_legend() -> None:
    size = (64, 64)
    one = picture("a", plain(RED, size), plain(BLUE, size))
    lost = Picture(key="b", thumbnails=None)
    page = draw_page([section([one, lost], size)])
    assert page.size[0] == 720
    pixels = np.asarray(page)
    side = thumbnail_size(size)[0]
    assert side == 3 * 64
    bottom = page.size[1] - MARGIN - GAP - 12
    label_top = bottom - 4 - side
    tile_top = label_top - 4 - side
    middle = side // 2
    assert tuple(pixels[tile_top + middle, MARGIN + middle]) == RED
    assert tuple(pixels[label_top + middle, MARGIN + middle]) == BLUE
    assert tuple(pixels[label_top - 2, MARGIN + middle]) == WHITE
    second = MARGIN + side + GAP
    assert tuple(pixels[tile_top + middle, second - GAP // 2]) == WHITE
    # The place of the lost one is crossed out: its diagonals differ from what is beside them.
    gray, cross = pixels[tile_top + middle, second + 20], pixels[tile_top + 20, second + 20]
    assert len(set(gray.tolist())) == len(set(cross.tolist())) == 1
    assert gray[0] > cross[0]
    # Swatches of both colours stand above the pictures, in one line.
    swatches = [row for row in rows_of(page, RED) if row < tile_top]
    assert swatches == [row for row in rows_of(page, BLUE) if row < tile_top]
    assert len(swatches) == 14


def test_sections_follow_each_other() -> None:
    size = (64, 64)
    sections = [
        section([picture("a", plain(color, size), plain(color, size))], size, legend=())
        for color in (RED, BLUE)
    ]
    page = draw_page(sections)
    assert max(rows_of(page, RED)) < min(rows_of(page, BLUE))


def test_large_tiles_are_averaged_and_label_maps_keep_their_colours() -> None:
    stripes = np.zeros((512, 512, 3), dtype=np.uint8)
    stripes[:, ::2] = 255
    tile, labels = picture("a", stripes, stripes).thumbnails
    assert tile.size == labels.size == (208, 208)
    assert abs(np.asarray(tile).astype(int) - 128).max() < 40
    assert set(np.unique(labels)) <= {0, 255}


def test_small_tiles_are_shown_pixel_by_pixel() -> None:
    checks = (np.indices((16, 16)).sum(axis=0) % 2 * 255).astype(np.uint8)
    tile, _ = picture("a", *[np.repeat(checks[..., None], 3, axis=2)] * 2).thumbnails
    assert tile.size == (208, 208)
    assert np.array_equal(np.asarray(tile)[::13, ::13, 0], checks)


@settings(max_examples=30)
@given(
    size=st.tuples(st.integers(1, 3000), st.integers(1, 3000)),
    count=st.integers(1, 30),
    names=st.lists(st.text(max_size=300), max_size=12),
)
def test_any_tiles_and_names_fit_on_the_page(
    size: tuple[int, int], count: int, names: list[str]
) -> None:
    legend = tuple(LegendItem(text=name, color=RED) for name in names)
    pictures = [Picture(key=name or "x", thumbnails=None) for name in (names or ["k"]) * count]
    page = draw_page([section(pictures, size, legend=legend)])
    assert 720 <= page.size[0] <= 1800
    pixels = np.asarray(page)
    for edge in (pixels[:MARGIN], pixels[-MARGIN:], pixels[:, :MARGIN], pixels[:, -MARGIN:]):
        assert (edge == 255).all()


def test_a_long_legend_takes_more_lines() -> None:
    legend = tuple(LegendItem(text=f"class number {i} 12.3%", color=RED) for i in range(40))
    lost = [Picture(key="a", thumbnails=None)]
    tall = draw_page([section(lost, (64, 64), legend=legend)])
    short = draw_page([section(lost, (64, 64), legend=legend[:3])])
    assert tall.size[1] > short.size[1] + 5 * 16
    assert tall.size[0] == short.size[0]


@pytest.mark.parametrize("key", ["x" * 500, "größer", "漢字", "a\nb", ""])
def test_odd_keys_are_drawn_as_far_as_the_font_goes(key: str) -> None:
    page = draw_page([section([Picture(key=key, thumbnails=None)], (64, 64))])
    assert page.size[0] == 720
