"""The stain of a tile, and its drift over a canvas."""

import numpy as np
import pytest

from eval.diversity.stain import StainExtractor, drift, stain_of
from eval.extractors.random_network import RandomExtractor


def canvas(slope, size=512, seed=0):
    """Noise whose density rises by `slope` from left to right."""
    random = np.random.default_rng(seed)
    density = 0.5 + slope * np.linspace(0, 1, size)[None, :, None]
    density = density + 0.05 * random.normal(size=(size, size, 3))
    return np.clip(np.rint(256 * np.exp(-density) - 1), 0, 255).astype(np.uint8)


def test_glass_is_no_stain():
    tile = np.full((10, 10, 3), 250, np.uint8)
    assert np.isnan(stain_of(tile)).all()
    tile[:5] = 127, 63, 31
    assert stain_of(tile) == pytest.approx(np.log([2, 4, 8]))


def test_stains_stand_behind_the_features():
    extractor = RandomExtractor(seed=0)
    tiles = np.stack([canvas(0, 32), np.full((32, 32, 3), 255, np.uint8)])
    found = StainExtractor(extractor)(tiles)
    assert found[:, :-3] == pytest.approx(extractor(tiles), rel=1e-5)
    assert found[0, -3:] == pytest.approx(stain_of(tiles[0]), rel=1e-5)
    assert (found[1, -3:] == -1).all()


@pytest.mark.parametrize("slope", [0, 0.2, 0.6])
def test_drift_is_the_change_from_end_to_end(slope):
    for image in (canvas(slope), canvas(slope).transpose(1, 0, 2)):
        change, windows = drift(image, 64)
        assert change == pytest.approx(slope, abs=0.02)
        assert windows == 64


def test_a_canvas_of_glass_has_no_drift_that_could_be_told():
    change, windows = drift(np.full((256, 256, 3), 255, np.uint8), 64)
    assert np.isnan(change)
    assert windows == 0
