"""When a score has an interval, when it has none, and what is then said."""

import numpy as np
import pytest

from eval.result import Number
from eval.segmentation_interval import few_drawn, with_interval

NAN = float("nan")


def made(replicates, value=0.5, single=None):
    number = Number(name="dice", value=value, n=3, method="", details={"class": "a"})
    return with_interval(number, np.array(replicates), over="tiles", single=single)


def test_an_interval_is_the_central_95_percent():
    number = made(np.arange(1001) / 1000)
    assert number.interval == pytest.approx((0.025, 0.975))
    assert (number.interval_level, number.interval_method) == (0.95, "tiles")
    assert number.details == {
        "class": "a", "replicates": 1001, "undefined_replicates": 0, "interval_note": None,
    }  # fmt: skip


@pytest.mark.parametrize("replicates", [[1.0, 1.0, 1.0], [0.1 + 0.2, 0.3, 0.3]])
def test_replicates_that_only_rounding_tells_apart_are_alike(replicates):
    number = made(replicates)
    assert (number.interval, number.interval_method) == (None, None)
    assert number.details["interval_note"] == "all replicates alike, so no interval"


def test_a_narrow_interval_is_one():
    low, high = made([0.5, 0.5 + 1e-9]).interval
    assert low < high


def test_one_unit_gives_none_whatever_its_replicates():
    number = made([0.1, 0.9], single="test patient")
    assert number.interval is None
    assert number.details["interval_note"] == "no interval from a single test patient"


def test_undefined_replicates_are_left_out_and_counted():
    number = made([0.1, NAN, 0.9])
    assert number.interval == pytest.approx((0.12, 0.88))
    assert number.details["undefined_replicates"] == 1
    assert number.details["interval_note"] == "undefined in 1 of 3 replicates"


def test_alike_and_undefined_are_both_told():
    note = made([0.3, NAN]).details["interval_note"]
    assert note == "all replicates alike, so no interval; undefined in 1 of 2 replicates"


def test_all_replicates_undefined_give_none():
    number = made([NAN, NAN])
    assert number.interval is None
    assert number.details["interval_note"] == "undefined in 2 of 2 replicates"


def test_an_undefined_value_has_its_reason_instead_of_a_note():
    number = made([0.1, 0.9], value=None)
    assert (number.interval, number.details["interval_note"]) == (None, None)


def test_fewer_than_fifty_are_few():
    assert few_drawn("real", 50, "patient") is None
    assert few_drawn("real", 49, "patient") == (
        "Real tiles: intervals from fewer than 50 patients (49) tend to be too narrow."
    )
