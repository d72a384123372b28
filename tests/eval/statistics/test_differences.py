"""Wasserstein's distance against SciPy's, with an interval that keeps its promise, and a floor."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import wasserstein_distance

from eval.statistics.differences import Values, distance_number, floor_of

NUMBERS = st.lists(st.floats(-5, 5), min_size=2, max_size=20)


def values(numbers, name="p", tiles=1):
    groups = [f"{name}{row // tiles}" for row in range(len(numbers))]
    return Values(values_N=np.array(numbers, dtype=float), groups=groups)


@settings(max_examples=30, deadline=None)
@given(NUMBERS, NUMBERS)
def test_it_is_the_distance_of_scipy(first, second):
    number = distance_number("d", values(first, "a"), values(second, "b"), "method")
    assert number.value == pytest.approx(wasserstein_distance(first, second), abs=1e-9)
    if number.interval:
        assert 0 <= number.interval[0] <= number.value <= number.interval[1]


def test_intervals_hold_the_truth_as_often_as_they_say():
    held = []
    for seed in range(30):
        random = np.random.default_rng(seed)
        drawn = random.normal(size=(2, 15, 1)) + 0.5 * random.normal(size=(2, 15, 4))
        sides = [
            values(drawn[0].ravel(), "a", 4),
            values(drawn[1].ravel() + 0.5, "b", 4),
        ]
        low, high = distance_number("d", *sides, "method", seed=seed).interval
        held.append(low <= 0.5 <= high)
    assert np.mean(held) > 0.88


def test_patients_widen_the_interval():
    random = np.random.default_rng(0)
    numbers = (random.normal(size=(10, 1)) + 0.1 * random.normal(size=(10, 10))).ravel()
    other = numbers + 2
    alone = distance_number("d", values(numbers, "a"), values(other, "b"), "m").interval
    whole = distance_number("d", values(numbers, "a", 10), values(other, "b", 10), "m").interval
    assert whole[1] - whole[0] > 2 * (alone[1] - alone[0])


def test_tiles_without_tissue_are_left_out_and_two_are_needed():
    some = values([0.1, np.nan, 0.3], "a")
    assert distance_number("d", some, values([0.2, 0.2], "b"), "m").n == 2
    none = distance_number("d", some, values([np.nan, 0.2], "b"), "m")
    assert none.value is None
    assert "fewer than 2 of a side" in none.reason
    single = distance_number("d", some, values([0.2, 0.5], "b", 2), "m")
    assert single.interval is None
    assert "single" in single.details["interval_note"]


def test_the_floor_compares_patients_not_tiles():
    random = np.random.default_rng(1)
    numbers = (random.normal(size=(12, 1)) + 0.01 * random.normal(size=(12, 10))).ravel()
    whole, torn = floor_of(values(numbers, "a", 10)), floor_of(values(numbers, "a"))
    assert whole["value"] > 2 * torn["value"]
    assert whole["range"][0] <= whole["value"] <= whole["range"][1]
    assert floor_of(values(numbers, "a", len(numbers))) is None
