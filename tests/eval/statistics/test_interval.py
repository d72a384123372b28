"""When the replicates of a number give an interval, and what is said when they do not."""

import numpy as np
import pytest

from eval.statistics.interval import few_drawn, with_interval
from eval.statistics.result import Number

DEFINED = Number(name="kappa", value=0.2, n=9, method="by hand", details={"arm": "real"})
UNDEFINED = Number(name="kappa", value=None, n=9, method="by hand", reason="0/0")
VALUES = np.append(np.linspace(0, 0.4, 41), [np.nan] * 3)
ALIKE = "all replicates alike, so no interval"


def interval_of(number, values, single=None):
    found = with_interval(number, np.array(values), over="drawn so", single=single)
    assert (found.interval is None) == (found.interval_level is None)
    assert (found.interval is None) == (found.interval_method is None)
    return found, found.details["interval_note"]


def test_the_interval_is_of_the_defined_replicates_and_has_the_number_of_the_others():
    found, note = interval_of(DEFINED, VALUES)
    assert found.interval == pytest.approx((0.01, 0.39))
    assert (found.interval_level, found.interval_method) == (0.95, "drawn so")
    assert note == "undefined in 3 of 44 replicates"
    assert found.details == {
        "arm": "real",
        "replicates": 44,
        "undefined_replicates": 3,
        "interval_note": note,
    }
    assert interval_of(DEFINED, VALUES[:41])[1] is None


@pytest.mark.parametrize("value", [0.2, -1.0, 4e3])
def test_replicates_that_differ_by_rounding_only_are_alike(value):
    values = value * (1 + np.array([-2, -1, 0, 1, 2]) * 1e-15)
    assert np.ptp(values) > 0
    found, note = interval_of(DEFINED, values)
    assert found.interval is None
    assert note == ALIKE
    assert interval_of(DEFINED, [*values, np.nan])[1] == (
        f"{ALIKE}; undefined in 1 of 6 replicates"
    )
    assert interval_of(DEFINED, value * np.array([1, 1 + 1e-6]))[0].interval is not None


def test_of_a_single_unit_there_is_no_interval():
    found, note = interval_of(DEFINED, VALUES, single="image")
    assert found.interval is None
    assert note == "no interval from a single image"


def test_an_undefined_number_has_no_interval_but_counts():
    found, note = interval_of(UNDEFINED, VALUES)
    assert (found.interval, note) == (None, None)
    assert found.details["undefined_replicates"] == 3


def test_of_undefined_replicates_alone_there_is_no_interval():
    found, note = interval_of(DEFINED, [np.nan, np.nan])
    assert (found.interval, note) == (None, "undefined in 2 of 2 replicates")


def test_fewer_than_fifty_are_few():
    assert few_drawn("real", 50, "patient") is None
    assert few_drawn("real", 49, "patient") == (
        "Real tiles: intervals from fewer than 50 patients (49) tend to be too narrow."
    )
