"""The page with the surest tiles."""

import numpy as np

from eval.two_samples.sheet import draw_sheet


def test_tiles_of_each_side_stand_in_their_groups():
    colours = {"real": (200, 0, 0), "synthetic": (0, 0, 200)}
    read = {
        side: lambda name, colour=colour: np.full((int(name), 50, 3), colour, np.uint8)
        for side, colour in colours.items()
    }
    groups = {"synthetic, surely so": ["50", "50"], "real, surely so": ["25", "300"]}
    page = np.asarray(draw_sheet({"a": groups, "b": groups}, {"a": "A", "b": "B"}, read))
    blue, red = ((page == colour).all(axis=2) for colour in ((0, 0, 200), (200, 0, 0)))
    assert blue.sum() == 4 * 100 * 100
    assert np.argwhere(blue)[:, 1].max() < np.argwhere(red)[:, 1].min()


def test_nothing_to_show_is_an_empty_page():
    assert draw_sheet({}, {}, {}).size[0] > 0
