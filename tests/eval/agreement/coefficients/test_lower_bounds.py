"""How low coefficients get, and that their intervals by formula do not go below."""

import math

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from eval.agreement.coefficients.registry import FAMILIES
from eval.agreement.coefficients.value import agreement_of
from eval.agreement.coefficients.weights import BY_POSITION

SCALE = (1, 2, 3, 4)
FAR_APART = [[1, 4], [4, 1], [1, 4], [4, 1], [1, 3]]
# One image on which two readers differ, among many with a single rating: chance all but vanishes.
MOSTLY_ALONE = [[1, 2], [1, 1], *[[1, None], [None, 1]] * 40]
COMPLETE = st.integers(2, 4).flatmap(
    lambda raters: st.lists(
        st.lists(st.integers(1, 4), min_size=raters, max_size=raters), min_size=2, max_size=8
    )
)
SOME_MISSING = st.lists(
    st.lists(st.none() | st.integers(1, 4), min_size=3, max_size=3), min_size=2, max_size=8
)
LEAST = dict.fromkeys(FAMILIES, -1.0) | {"percent_agreement": 0.0}
BY_SCALE = ("brennan_prediger", "randolph_kappa", "gwet_ac1", "gwet_ac2")
ONLY_IF_COMPLETE = ("fleiss_kappa", "scott_pi", "conger_kappa")
# Mean disagreement of four grades, unweighted 3/4 and with quadratic weights 5/18.
LEAST_BY_SCALE = {"none": 1 - 4 / 3, "quadratic": 1 - 18 / 5}


def intervals(number):
    found = (formula["interval"] for formula in number.details["by_formula"])
    return [interval for interval in found if interval is not None]


def measured(ratings, name, **options):
    return agreement_of(ratings, name, scale=SCALE, **options)


def least_of(name, weights):
    if name in BY_SCALE:
        return LEAST_BY_SCALE.get(weights, -math.inf)
    return LEAST[name]


def check(number, least):
    if number.value is None:
        return
    assert number.value >= least - 1e-9
    for low, high in intervals(number):
        assert least - 1e-9 <= low <= number.value <= high <= 1


@settings(max_examples=50)
@given(ratings=COMPLETE, weights=st.sampled_from([*BY_POSITION, "ratio"]))
@example(ratings=FAR_APART, weights="none")
@example(ratings=FAR_APART, weights="quadratic")
def test_neither_value_nor_interval_leaves_the_range_where_all_rated(ratings, weights):
    for name in FAMILIES:
        check(measured(ratings, name, weights=weights), least_of(name, weights))
    for level in ("nominal", "ordinal", "interval", "ratio"):
        check(measured(ratings, "krippendorff_alpha", level=level), -1)


@settings(max_examples=50)
@given(ratings=SOME_MISSING, weights=st.sampled_from([*BY_POSITION, "ratio"]))
@example(ratings=MOSTLY_ALONE, weights="none")
def test_neither_leaves_the_range_where_ratings_are_missing(ratings, weights):
    for name in set(FAMILIES) - set(ONLY_IF_COMPLETE):
        check(measured(ratings, name, weights=weights), least_of(name, weights))
    for level in ("nominal", "ordinal", "interval", "ratio"):
        check(measured(ratings, "krippendorff_alpha", level=level), -1)


@pytest.mark.parametrize(
    ("ratings", "name", "weights", "least"),
    [
        ([[1, 1], [1, 2]], "percent_agreement", "none", 0),
        ([[1, 1], [1, 4]], "percent_agreement", "quadratic", 0),
        (FAR_APART, "cohen_kappa", "linear", -1),
        (FAR_APART, "light_kappa", "linear", -1),
        (FAR_APART, "fleiss_kappa", "linear", -1),
        (FAR_APART, "conger_kappa", "linear", -1),
        ([[1, 4], [4, 1], [1, 1]], "krippendorff_alpha", "linear", -1),
        ([[1, 1], [1, 2]], "brennan_prediger", "none", 1 - 4 / 3),
        ([[1, 1], [1, 2]], "gwet_ac1", "none", 1 - 4 / 3),
        (FAR_APART, "brennan_prediger", "quadratic", 1 - 18 / 5),
    ],
)
def test_an_interval_ends_where_its_statistic_does(ratings, name, weights, least):
    number = measured(ratings, name, weights=weights)
    assert number.value > least
    assert [low for low, _ in intervals(number)] == pytest.approx(
        [least] * len(number.details["by_formula"])
    )


def test_the_end_of_weighted_brennan_prediger_is_far_below_minus_one():
    apart = [[1, 4], [4, 1], [1, 4]]
    assert measured(apart, "brennan_prediger", weights="quadratic").value == pytest.approx(-2.6)


@pytest.mark.parametrize("name", ONLY_IF_COMPLETE)
def test_with_single_ratings_chance_vanishes_and_there_is_no_end(name):
    number = measured(MOSTLY_ALONE, name)
    ((low, _),) = intervals(number)
    assert low < number.value < -15


def test_a_matrix_of_ones_own_has_an_end_where_that_is_known():
    matrix = [[0, 1, 4, 4], [1, 0, 6, 4], [2, 2, 0, 4], [4, 4, 4, 0]]
    ratings = [[3, 1], [1, 3], [1, 3]]
    options = {"weights": "disagreement_matrix", "matrix": matrix}
    (low, _), *_ = intervals(measured(ratings, "cohen_kappa", **options))
    assert low < -1
    check(measured(ratings, "percent_agreement", **options), 1 - 6)
