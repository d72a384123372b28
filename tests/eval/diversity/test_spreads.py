"""Distances between variants, and between tiles of like composition."""

import numpy as np
import pytest

from eval.diversity.spreads import like_distances, variant_distances


def test_variants_are_compared_with_each_other_alone():
    features = np.array([[0.0, 0], [3, 4], [9, 9], [0, 0], [0, 2], [0, 4]])
    distances, keys = variant_distances(features, ["a", "a", "b", "c", "c", "c"])
    assert keys == ["a", "c"]
    assert distances == pytest.approx([5, 8 / 3])


def test_tiles_of_like_composition_are_of_other_patients():
    features = np.array([[0.0], [1], [5], [7]])
    shares = np.array([[1, 0], [0.9, 0.1], [0.8, 0.2], [0, 1]])
    assert like_distances(features, shares, ["a", "a", "b", "b"]).tolist() == [5, 4, 4, 6]
    assert like_distances(features, shares, ["a"] * 4).tolist() == [1, 1, 4, 2]
