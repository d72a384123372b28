"""Colour deconvolution: a published example, and stains that are known because we mixed them."""

import numpy as np
import pytest

from eval.stain.deconvolution import (
    STATISTICS,
    class_means,
    optical_densities,
    stain_amounts,
    stain_vectors,
    tile_statistics,
    unmixed,
)
from histosyn.stain.code import as_floats, stain_code


def stained(hematoxylin, eosin, size=32):
    """A tile with these amounts everywhere."""
    density = np.array([hematoxylin, eosin]) @ stain_vectors()[:2]
    values = np.rint(256 * 10**-density - 1).astype(np.uint8)
    return np.tile(values, (size, size, 1))


def test_the_inverse_is_the_one_that_ruifrok_and_johnston_print():
    vectors = np.array([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11], [0.27, 0.57, 0.78]])
    printed = [[1.88, -0.07, -0.60], [-1.02, 1.13, -0.48], [-0.55, -0.13, 1.57]]
    # Theirs is for columns of densities.
    found = unmixed(np.eye(3), vectors).T
    assert found == pytest.approx(np.array(printed), abs=0.02)


def test_vectors_are_of_length_one_and_the_rest_is_at_right_angles_to_both():
    vectors = stain_vectors()
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=0.01)
    assert vectors[2] @ vectors[:2].T == pytest.approx(0, abs=1e-12)
    assert (vectors[:2] > 0).all()


def test_what_was_mixed_is_unmixed():
    tile = stained(0.6, 0.3)
    assert stain_amounts(tile)[0, 0] == pytest.approx([0.6, 0.3, 0], abs=0.01)
    half = tile.copy()
    half[:16] = stained(0.2, 0.3, 16)[0, 0]
    found = dict(zip(STATISTICS, tile_statistics(half), strict=True))
    assert found["hematoxylin"] == pytest.approx(0.4, abs=0.01)
    assert found["hematoxylin_spread"] == pytest.approx(0.2, abs=0.01)
    assert found["eosin_spread"] == pytest.approx(0, abs=0.01)


def test_glass_does_not_count_and_a_tile_of_glass_has_no_stain():
    tile = stained(0.5, 0.2)
    tile[:24] = 250
    assert tile_statistics(tile)[0] == pytest.approx(0.5, abs=0.01)
    assert np.isnan(tile_statistics(np.full((8, 8, 3), 250, np.uint8))).all()
    assert optical_densities(np.full((1, 1, 3), 255, np.uint8)).tolist() == [[[0, 0, 0]]]


def test_it_is_the_stain_that_a_generator_takes_in_decadic_units():
    random = np.random.default_rng(0)
    tile = random.integers(60, 256, (32, 32, 3)).astype(np.uint8)
    code = stain_code(as_floats(tile))[0, : len(STATISTICS)].numpy() / np.log(10)
    assert tile_statistics(tile) == pytest.approx(code, abs=1e-4)


def test_classes_have_their_own_means_where_there_is_enough_of_them():
    tile = stained(0.5, 0.1)
    tile[:16] = stained(0.1, 0.4, 16)[0, 0]
    labels = np.zeros((32, 32), np.uint8)
    labels[:16] = 1
    labels[0, 0] = 2
    found = class_means(tile, labels, 4)
    assert found[0, :2] == pytest.approx([0.5, 0.1], abs=0.01)
    assert found[1, :2] == pytest.approx([0.1, 0.4], abs=0.01)
    assert np.isnan(found[2:]).all()
