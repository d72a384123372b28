"""Textures that are made by hand, of tiles that are made by hand."""

import numpy as np
import pytest

from eval.two_samples.textures import NAMES, binary_patterns, texture


def named(tile):
    found = texture(tile)
    assert found.shape == (len(NAMES),)
    assert np.isfinite(found).all()
    return dict(zip(NAMES, found, strict=True))


def noise(size=40, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (size, size, 3), dtype=np.uint8)


@pytest.mark.parametrize("size", [16, 31, 32, 70])
def test_every_tile_has_all_of_them(size):
    named(noise(size))
    named(np.full((size, size, 3), 255, np.uint8))
    named(np.zeros((size, size, 3), np.uint8))


def test_a_flat_tile_is_one_pattern_without_gradients():
    flat = named(np.full((40, 40, 3), 128, np.uint8))
    assert flat["local binary pattern 8 at radius 1"] == 1
    assert flat["mean of gradients"] == pytest.approx(0)
    assert flat["spread of red density"] == pytest.approx(0)
    assert flat["mean of blue density"] == pytest.approx(np.log(256 / 129))


def test_patterns_are_those_of_a_line():
    """On a dense line along the tile its two neighbours are as dense: two arcs; beside it, none."""
    density = np.zeros((9, 9))
    density[4] = 1
    shares = binary_patterns(density, 1) * 49
    assert shares[9] == 7  # the line itself
    assert shares[8] == 7 * 6  # flat, or beside a line that is denser


def test_patterns_do_not_change_with_brightness_nor_a_quarter_turn():
    density = np.random.default_rng(1).random((30, 30))
    for radius in (1, 2):
        one = binary_patterns(density, radius)
        assert one.sum() == pytest.approx(1)
        assert binary_patterns(2 * density + 1, radius) == pytest.approx(one)
        assert binary_patterns(np.rot90(density), radius) == pytest.approx(one)


def test_gradients_tell_their_direction():
    ramp = np.broadcast_to(np.arange(40, dtype=np.uint8)[:, None, None] * 5, (40, 40, 3))
    down, across = named(ramp), named(ramp.transpose(1, 0, 2))
    assert down["gradients across over down"] < -5
    assert across["gradients across over down"] == pytest.approx(
        -down["gradients across over down"]
    )
