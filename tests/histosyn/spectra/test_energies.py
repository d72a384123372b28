"""The energies of a tile, and ratios of their means."""

import numpy as np
import pytest

from histosyn.spectra.energies import DIMENSION, EXPONENTS, NAMES, ratios, tile_energies
from histosyn.spectra.radial import BANDS


def tiles(count, size, seed=0):
    shape = (count, size, size, 3)
    return np.random.default_rng(seed).integers(100, 200, size=shape, dtype=np.uint8)


def test_what_a_tile_is_too_small_for_is_zero():
    small, middle, large = (tile_energies(tiles(1, size)[0]) for size in (24, 64, 128))
    assert (small == 0).all()
    assert (middle[:-3] > 0).all()
    assert (middle[-3:] == 0).all()
    assert (large > 0).all()
    assert (tile_energies(np.full((128, 128, 3), 255, np.uint8))[: len(BANDS)] == 0).all()


def test_of_a_set_and_itself_all_is_one():
    mean = np.mean([tile_energies(tile) for tile in tiles(4, 128)], axis=0)
    assert ratios(mean, mean) == pytest.approx(np.ones(len(NAMES)))
    assert np.isnan(ratios(mean, np.zeros(DIMENSION))).all()


def test_a_weave_is_no_matter_of_contrast():
    """Twice the density everywhere is four times the energy in each band, and the same weave."""
    mean = np.mean([tile_energies(tile) for tile in tiles(4, 128)], axis=0)
    found = ratios(mean, 4 * mean)
    assert found[: len(BANDS)] == pytest.approx(4)
    assert found[len(BANDS) :] == pytest.approx(1)
    assert EXPONENTS.shape == (len(NAMES), DIMENSION)
