"""Differences of runs with the same seeds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from eval.statistics.paired import paired_difference

VALUES = st.lists(st.floats(-1e3, 1e3), min_size=3, max_size=6)


@given(VALUES, st.floats(-10, 10))
def test_the_interval_is_students_over_pairs(values, shift):
    theirs = dict(enumerate(values))
    ours = {seed: value + shift * (seed + 1) for seed, value in theirs.items()}
    number = paired_difference("d", ours, theirs, "m")
    differences = [ours[seed] - theirs[seed] for seed in ours]
    expected = stats.ttest_1samp(differences, 0).confidence_interval(0.95)

    assert number.value == pytest.approx(sum(differences) / len(differences), abs=1e-9)
    assert number.interval == pytest.approx((expected.low, expected.high), abs=1e-6)


def test_only_seeds_that_both_have_count():
    number = paired_difference("d", {1: 2.0, 2: 3.0, 9: 0.0}, {1: 1.0, 2: 1.5, 3: 7.0}, "m")

    assert (number.value, number.n, number.interval) == (1.25, 2, None)
    assert number.details["spread"] == pytest.approx(0.5 / 2**0.5)


def test_without_a_seed_in_common_there_is_a_reason():
    number = paired_difference("d", {1: 2.0}, {2: 1.0}, "m")

    assert number.value is None
    assert number.reason == "no seed has finished with both"
