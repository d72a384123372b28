"""Sample grids of drawn tissue, as a training leaves them."""

from functools import cache

from histosyn.images.origin import synthetic_png_bytes
from histosyn.labels.label_map import colorize, load_schema
from histosyn.phantom.data_set import render_phantom
from histosyn.training.grid_picture import grid_picture

_COUNT, _SIDE = 4, 32


@cache
def grid_png(title):
    """Label maps, tiles, and the tiles again in the place of synthetic ones."""
    pairs = [render_phantom(0, index, _SIDE) for index in range(_COUNT)]
    schema = load_schema("prostate-3")
    rows = {
        "label maps": [colorize(labels, schema) for _, labels in pairs],
        "real tiles": [tile for tile, _ in pairs],
        "synthetic tiles": [tile for tile, _ in pairs],
    }
    return synthetic_png_bytes(grid_picture(rows, title, schema))
