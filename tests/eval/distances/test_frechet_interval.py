"""The interval of the Fréchet distance: the jackknife in loops, singular sides, coverage."""

import numpy as np
import pytest

from eval.distances.frechet import frechet_distance_from_features
from eval.distances.frechet_interval import (
    frechet_influences,
    frechet_interval,
    frechet_standard_error,
)


def draws(seed, n, dimension, shift=0.0, mixing=None):
    normal = np.random.default_rng(seed).normal(size=(n, dimension))
    return (normal if mixing is None else normal @ mixing) + shift


def by_leaving_out_each(x, y):
    variance = 0.0
    for one, other in ((x, y), (y, x)):
        without = [
            frechet_distance_from_features(np.delete(one, row, axis=0), other)
            for row in range(len(one))
        ]
        variance += (len(one) - 1) * np.var(without)
    return variance**0.5


@pytest.mark.parametrize(("n", "m", "dimension"), [(60, 50, 4), (60, 50, 90), (50, 120, 70)])
def test_it_is_the_jackknife_to_first_order(n, m, dimension):
    x, y = draws(0, n, dimension), 2 * draws(1, m, dimension, 0.3)

    found = frechet_standard_error(x, y)

    assert found == pytest.approx(by_leaving_out_each(x, y), rel=0.1)
    assert frechet_standard_error(y, x) == pytest.approx(found, rel=1e-6)
    for influences in frechet_influences(x, y):
        assert abs(influences.sum()) < 1e-8 * np.abs(influences).sum()


def test_features_that_never_vary_cost_nothing():
    x, y = (np.hstack([draws(seed, 40, 3), np.zeros((40, 2))]) for seed in (0, 1))

    expected = frechet_standard_error(x[:, :3], y[:, :3])

    assert frechet_standard_error(x, y) == pytest.approx(expected, rel=1e-6)


def test_an_offset_does_not_matter():
    x, y = draws(0, 40, 5), draws(1, 30, 5)

    moved = frechet_standard_error(x + 1e6, y + 1e6)

    assert moved == pytest.approx(frechet_standard_error(x, y), rel=1e-6)


@pytest.mark.parametrize("shift", [0.0, 0.3])
def test_it_covers_what_the_estimate_is_on_average(shift):
    mixing = np.diag(np.exp(-0.3 * np.arange(10)))
    pairs = [
        (draws(2 * seed, 80, 10, mixing=mixing), draws(2 * seed + 1, 80, 10, shift, mixing=mixing))
        for seed in range(150)
    ]
    expected = np.mean([frechet_distance_from_features(*pair) for pair in pairs])

    intervals = [frechet_interval(*pair) for pair in pairs]

    covered = np.mean([low <= expected <= high for low, high in intervals])
    assert 0.9 < covered <= 1
    assert all(low >= 0 for low, _ in intervals)


def test_constant_sides_have_no_spread():
    x, y = np.ones((5, 3)), np.zeros((4, 3))

    assert frechet_interval(x, y) == (3, 3)
