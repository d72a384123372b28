"""Numbers of a tile that tell of its file: each is moved by what it is called after."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from eval.file_history.traces import TRACES, traces_of


def tile(seed=0, size=64):
    random = np.random.default_rng(seed)
    made = 150 + 20 * random.normal(size=(size, size, 3))
    made[: size // 4] = [250, 246, 248]
    return np.clip(made, 0, 255).astype(np.uint8)


def named(tile_HWC):
    return dict(zip(TRACES, traces_of(tile_HWC), strict=True))


def test_blur_lowers_sharpness_alone():
    crisp = tile()
    blurred = gaussian_filter(crisp.astype(float), (1, 1, 0)).astype(np.uint8)
    assert named(blurred)["sharpness"] < named(crisp)["sharpness"] - 1
    assert named(np.full((64, 64, 3), 99, np.uint8))["sharpness"] != pytest.approx(0)
    assert np.isnan(named(np.full((64, 64, 3), 99, np.uint8))["sharpness"])


def test_glass_has_the_colour_that_it_has():
    found = named(tile())
    assert found["glass_brightness"] == 246
    assert (found["glass_red"], found["glass_blue"]) == (4, 2)
    assert np.isnan(named(np.full((64, 64, 3), 99, np.uint8))["glass_red"])


def test_a_frame_shows_at_the_border():
    framed = tile(1)
    framed[[0, -1]] = framed[:, [0, -1]] = 0
    before, after = named(tile(1)), named(framed)
    assert after["border_step"] > before["border_step"] + 1
    assert after["border_brightness"] < before["border_brightness"] - 100


def test_a_tile_of_a_pixel_tells_nothing_and_is_no_error():
    assert np.isnan(traces_of(np.zeros((1, 1, 3), np.uint8))).all()
