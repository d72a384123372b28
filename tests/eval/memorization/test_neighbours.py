"""Nearest neighbours against the plain search, and the eight symmetries."""

import numpy as np
import pytest

from eval.memorization import neighbours
from eval.memorization.neighbours import nearest, symmetries_of, turned


def test_the_nearest_is_that_of_the_plain_search(monkeypatch):
    random = np.random.default_rng(0)
    queries = random.normal(size=(7, 3, 5)).astype(np.float32)
    training = random.normal(size=(11, 5)).astype(np.float32)
    monkeypatch.setattr(neighbours, "_CELLS", 70)
    done = []
    found = nearest(queries, training, done.append)
    plain = np.sqrt(((queries[:, :, None] - training) ** 2).mean(axis=3, dtype=np.float64))
    assert found.distance_N == pytest.approx(plain.min(axis=(1, 2)), rel=1e-5)
    for row in range(7):
        assert plain[row, found.turn_N[row], found.row_N[row]] == pytest.approx(plain[row].min())
    assert sum(done) == 7
    assert len(done) > 1


def test_an_exact_copy_has_distance_zero_far_from_the_origin():
    training = (np.random.default_rng(1).normal(size=(50, 300)) + 1000).astype(np.float32)
    found = nearest(training[[7]][:, None], training)
    assert (found.distance_N.tolist(), found.row_N.tolist()) == ([0], [7])


def test_there_are_eight_symmetries_and_four_of_what_is_not_square():
    tile = np.arange(4 * 4 * 3, dtype=np.uint8).reshape(4, 4, 3)
    assert len({turned(tile, number).tobytes() for number in range(8)}) == 8
    assert symmetries_of(tile) == tuple(range(8))
    assert symmetries_of(tile[:2]) == (0, 2, 4, 6)
    assert all(turned(tile[:2], number).shape == (2, 4, 3) for number in (0, 2, 4, 6))
