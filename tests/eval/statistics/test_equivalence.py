"""When a difference is shown to be small enough, and what undefined replicates do to that."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from eval.statistics.equivalence import equivalence_test


def test_equivalence_is_the_90_percent_interval_within_the_margin():
    values = np.linspace(-0.1, 0.1, 1001)
    shown = equivalence_test(values, 0.095)
    assert shown["interval"] == pytest.approx((-0.09, 0.09))
    assert shown["equivalent"]
    assert shown["p"] < 0.05
    assert not equivalence_test(values, 0.085)["equivalent"]
    assert equivalence_test(values, 0.085)["p"] > 0.05
    assert equivalence_test(values, None) is None
    assert equivalence_test(np.array([np.nan]), 0.1) is None


ALIKE = np.linspace(-0.05, 0.05, 2000)


def with_undefined(undefined):
    return np.where(np.arange(2000) < undefined, np.nan, ALIKE)


def test_an_undefined_replicate_counts_as_beyond_the_margin():
    shown = equivalence_test(with_undefined(60), 0.1)
    assert shown["equivalent"]
    assert shown["p"] == pytest.approx(61 / 2001)
    assert (shown["undefined_replicates"], shown["replicates"]) == (60, 2000)
    assert shown["reason"] is None
    # 50 of the defined ones reach the margin: with 60 undefined ones these are more than 5 %.
    values = with_undefined(60)
    values[60:110] = -0.2
    assert equivalence_test(values[60:], 0.1)["equivalent"]
    test = equivalence_test(values, 0.1)
    assert test["equivalent"] is False
    assert test["p"] == pytest.approx(111 / 2001)
    assert test["interval"][0] > -0.1


def test_more_undefined_replicates_than_the_level_allow_no_verdict():
    assert equivalence_test(with_undefined(100), 0.1)["equivalent"] is False
    test = equivalence_test(with_undefined(101), 0.1)
    assert test["equivalent"] is None
    assert test["reason"].startswith("undefined in 101 of 2000 replicates, more than 5 %")
    assert test["p"] == pytest.approx(102 / 2001)
    assert test["interval"] is not None


@given(
    values=arrays(np.float64, st.integers(1, 60), elements=st.floats(-0.3, 0.3) | st.just(np.nan)),
    more=st.integers(0, 9),
)
def test_undefined_replicates_never_help(values, more):
    test = equivalence_test(values, 0.2)
    worse = equivalence_test(np.append(values, [np.nan] * more), 0.2)
    assert (test is None) == (worse is None) == bool(np.isnan(values).all())
    if test is None:
        return
    assert worse["p"] >= test["p"]
    assert test["equivalent"] or not worse["equivalent"]
    for one in (test, worse):
        assert (one["equivalent"] is None) == bool(one["reason"])
        assert not one["equivalent"] or max(map(abs, one["interval"])) < 0.2
        assert bool(one["equivalent"]) == (one["p"] <= 0.05)
