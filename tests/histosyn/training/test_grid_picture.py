from __future__ import annotations

import numpy as np
from tissue import SCHEMA, blobs

from histosyn.labels.label_map import colorize
from histosyn.training.grid_picture import GAP, GROUND, grid_picture, tile_grid


def test_tile_grid_puts_rows_below_each_other() -> None:
    black, grey = np.zeros((2, 3, 3), np.uint8), np.full((2, 3, 3), 9, np.uint8)
    grid = tile_grid([[black, grey], [grey, black]])
    assert grid.shape == (2 * 2 + GAP, 2 * 3 + GAP, 3)
    assert (grid[:2, :3] == 0).all()
    assert (grid[:2, 3 + GAP :] == 9).all()
    assert (grid[2 : 2 + GAP] == GROUND).all()


def test_gaps_are_no_class_and_neither_white_nor_black() -> None:
    assert 40 < min(GROUND) <= max(GROUND) < 200
    assert tuple(GROUND) not in {tuple(color) for color in SCHEMA.palette}


def test_a_picture_has_a_title_rows_with_names_and_all_colours() -> None:
    tile, labels = blobs(0, 64)
    rows = {"label maps": [colorize(labels, SCHEMA)] * 4, "synthetic": [tile] * 4}
    page = np.asarray(grid_picture(rows, "first, step 500", SCHEMA))
    bare = np.asarray(grid_picture({"": rows["label maps"], " ": rows["synthetic"]}, "", SCHEMA))
    assert page.shape == bare.shape
    changed = np.flatnonzero((page != bare).any(axis=(1, 2)))
    assert changed.min() < 20, "the title"
    assert len(changed) < 3 * 20, "the names of rows, and nothing of the images"
    # Below the last row of images.
    legend = {tuple(color) for color in page[-36:].reshape(-1, 3).tolist()}
    assert legend >= {tuple(color) for color in SCHEMA.palette.tolist()}


def test_a_narrow_picture_has_a_legend_of_several_lines() -> None:
    tile, _ = blobs(0, 64)
    wide = grid_picture({"tiles": [tile] * 8}, "t", SCHEMA)
    narrow = grid_picture({"tiles": [tile]}, "a title that is longer than the picture", SCHEMA)
    assert narrow.width == 64 + 2 * GAP
    assert narrow.height > wide.height
