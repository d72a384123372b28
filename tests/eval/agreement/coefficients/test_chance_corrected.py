"""Coefficients against published values, other libraries, and what must hold for any ratings."""

import json
import math
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.inter_rater import aggregate_raters
from statsmodels.stats.inter_rater import fleiss_kappa as statsmodels_fleiss

from eval.agreement.coefficients.chance_corrected import (
    brennan_prediger,
    cohen_kappa,
    conger_kappa,
    fleiss_kappa,
    gwet_ac,
    krippendorff_alpha,
    krippendorff_alpha_ordinal,
    light_kappa,
    percent_agreement,
)
from eval.agreement.coefficients.sample import MISSING, Sample
from eval.agreement.coefficients.statistics import group_statistics, measure, pair_statistics
from eval.agreement.coefficients.weights import BY_POSITION, disagreements

CASES = json.loads(
    (Path(__file__).parents[2] / "golden" / "agreement_cases.json").read_text(encoding="utf-8")
)


def sample_of(case):
    index = {category: code for code, category in enumerate(case["categories"])}
    codes = [[MISSING if cell is None else index[cell] for cell in row] for row in case["data"]]
    return Sample.observed(np.array(codes), len(index))


# Categories 0..3; -1 is missing.
COMPLETE = arrays(
    np.int64, st.tuples(st.integers(2, 12), st.integers(2, 5)), elements=st.integers(0, 3)
)
PARTLY = arrays(
    np.int64, st.tuples(st.integers(1, 12), st.integers(2, 5)), elements=st.integers(-1, 3)
)
NOMINAL = [
    percent_agreement,
    light_kappa,
    fleiss_kappa,
    conger_kappa,
    gwet_ac,
    brennan_prediger,
    krippendorff_alpha,
]
NONE_4 = disagreements("none", 4)


def value_of(coefficient, codes, disagreement=NONE_4, n_categories=4):
    return coefficient(Sample.observed(codes, n_categories), disagreement)[0]


def same(a, b):
    return (math.isnan(a) and math.isnan(b)) or a == pytest.approx(b, abs=1e-12)


@given(codes=COMPLETE, weights=st.sampled_from(["none", "linear", "quadratic"]))
def test_cohen_is_that_of_scikit_learn(codes, weights):
    first, second = codes[:, 0], codes[:, 1]
    ours = value_of(cohen_kappa, codes[:, :2], disagreements(weights, 4))
    assume(not math.isnan(ours))
    name = None if weights == "none" else weights
    theirs = cohen_kappa_score(first, second, labels=range(4), weights=name)
    assert ours == pytest.approx(theirs, abs=1e-12)


@given(codes=COMPLETE)
def test_fleiss_and_randolph_are_those_of_statsmodels(codes):
    assume(len(np.unique(codes)) > 1)
    table, _ = aggregate_raters(codes, n_cat=4)
    assert value_of(fleiss_kappa, codes) == pytest.approx(statsmodels_fleiss(table), abs=1e-12)
    randolph = statsmodels_fleiss(table, method="randolph")
    assert value_of(brennan_prediger, codes) == pytest.approx(randolph, abs=1e-12)


@given(codes=COMPLETE)
def test_conger_and_light_of_two_raters_are_cohen(codes):
    cohen = value_of(cohen_kappa, codes[:, :2])
    assert same(value_of(conger_kappa, codes[:, :2]), cohen)
    assert same(value_of(light_kappa, codes[:, :2]), cohen)


@given(codes=PARTLY, times=st.lists(st.integers(0, 3), min_size=12, max_size=12))
def test_ordinal_alpha_is_that_of_the_matrix_of_coincidences(codes, times):
    # Krippendorff 2011, by hand: o_ck, n_c, and squared distances of mid-ranks.
    times = times[: len(codes)]
    coincidences = np.zeros((4, 4))
    for row, held in zip(codes, times, strict=True):
        given_row = row[row != MISSING]
        for one, other in permutations(given_row, 2):
            coincidences[one, other] += held / (len(given_row) - 1)
    used = coincidences.sum(axis=1)
    ranks = used.cumsum() - used / 2
    squared = (ranks[:, None] - ranks[None, :]) ** 2
    chance = (np.outer(used, used) * squared).sum() / max(used.sum() - 1, 1)
    sample = Sample(codes_IR=codes, n_categories=4, times_BI=np.array([times], dtype=np.float64))
    (ours,) = krippendorff_alpha_ordinal(sample)
    expected = 1 - (coincidences * squared).sum() / chance if chance > 0 else math.nan
    assert ours == pytest.approx(expected, nan_ok=True)


@given(codes=PARTLY, order=st.permutations(range(4)), coefficient=st.sampled_from(NOMINAL))
def test_names_of_categories_do_not_matter(codes, order, coefficient):
    renamed = np.where(codes == MISSING, MISSING, np.array(order)[codes])
    assert same(value_of(coefficient, codes), value_of(coefficient, renamed))


@given(
    codes=PARTLY,
    data=st.data(),
    coefficient=st.sampled_from(NOMINAL),
    weights=st.sampled_from(sorted(BY_POSITION)),
)
def test_order_of_raters_and_images_does_not_matter(codes, data, coefficient, weights):
    images, raters = (data.draw(st.permutations(range(n))) for n in codes.shape)
    disagreement = disagreements(weights, 4)
    shuffled = codes[images][:, raters]
    assert same(
        value_of(coefficient, codes, disagreement), value_of(coefficient, shuffled, disagreement)
    )


@given(
    truth=arrays(np.int64, st.integers(2, 10), elements=st.integers(0, 3)),
    raters=st.integers(2, 5),
    coefficient=st.sampled_from(NOMINAL),
    weights=st.sampled_from(sorted(BY_POSITION)),
)
def test_perfect_agreement_on_two_categories_or_more_is_one(truth, raters, coefficient, weights):
    assume(len(np.unique(truth)) > 1)
    codes = np.repeat(truth[:, None], raters, axis=1)
    assert value_of(coefficient, codes, disagreements(weights, 4)) == 1
    assert krippendorff_alpha_ordinal(Sample.observed(codes, 4))[0] == 1


@given(codes=PARTLY)
def test_no_value_is_above_one_or_infinite(codes):
    categories = ("1", "2", "3", "4")
    sample = Sample.observed(codes, 4)
    for statistic in (*group_statistics(categories), *pair_statistics(categories)):
        value, reason = measure(statistic, sample)
        assert (value is None) == bool(reason)
        assert value is None or -math.inf < value <= 1


@given(codes=PARTLY, data=st.data())
def test_a_replicate_equals_the_data_with_images_repeated(codes, data):
    times = data.draw(arrays(np.int64, (3, len(codes)), elements=st.integers(0, 3)))
    drawn = Sample(codes_IR=codes, n_categories=4, times_BI=times.astype(float))
    categories = ("1", "2", "3", "4")
    for statistic in (*group_statistics(categories), *pair_statistics(categories)):
        values = statistic.values(drawn)
        for row, value in zip(times, values, strict=True):
            repeated = Sample.observed(np.repeat(codes, row, axis=0), 4)
            assert same(value, statistic.values(repeated)[0]), statistic.name


def test_a_grade_nobody_used_changes_weighted_kappa_only():
    by_name = {case["name"]: case for case in CASES}
    codes = sample_of(by_name["gg_unused_grade4_linear_observed"]).codes_IR
    wider = sample_of(by_name["gg_unused_grade4_linear_declared"]).codes_IR
    for weights, is_same in (("none", True), ("linear", False), ("quadratic", False)):
        kappas = [
            value_of(cohen_kappa, c, disagreements(weights, k), k)
            for c, k in ((codes, 4), (wider, 5))
        ]
        assert same(*kappas) == is_same
    alphas = [
        krippendorff_alpha_ordinal(Sample.observed(c, k))[0] for c, k in ((codes, 4), (wider, 5))
    ]
    assert same(*alphas)


def test_an_image_with_one_rating_counts_for_chance_only():
    codes = np.array([[0, 0], [0, 1], [1, 1]])
    longer = np.vstack([codes, [[3, MISSING]]])
    assert value_of(percent_agreement, longer) == value_of(percent_agreement, codes)
    assert value_of(krippendorff_alpha, longer) == value_of(krippendorff_alpha, codes)
    for coefficient in (fleiss_kappa, gwet_ac, conger_kappa):
        assert value_of(coefficient, longer) != value_of(coefficient, codes)


ONE_CATEGORY = np.zeros((4, 3), dtype=np.int64)


def reasons_of(codes, categories):
    sample = Sample.observed(codes, len(categories))
    return {each.name: measure(each, sample) for each in group_statistics(categories)}


def test_one_category_everywhere_is_undefined_but_percent_agreement_is_one():
    measured = reasons_of(ONE_CATEGORY, ("1", "2", "3"))
    defined = {name for name, (value, _) in measured.items() if value is not None}
    assert defined == {
        "percent_agreement",
        "gwet_ac1",
        "gwet_ac2_ordinal",
        "gwet_ac2_quadratic",
        "brennan_prediger",
        "brennan_prediger_quadratic",
    }
    assert measured["fleiss_kappa"][1].startswith("0/0: all ratings")
    assert {measured[name][0] for name in defined} == {1.0}


def test_a_scale_of_one_category_leaves_percent_agreement_only():
    measured = reasons_of(ONE_CATEGORY, ("1",))
    assert {name for name, (value, _) in measured.items() if value is not None} == {
        "percent_agreement"
    }


@pytest.mark.parametrize(
    "codes",
    [
        np.array([[0], [1]]),
        np.array([[0, -1], [-1, 1]]),
        np.empty((0, 0), dtype=np.int64),
        np.empty((0, 3), dtype=np.int64),
    ],
    ids=["one rater", "nothing in common", "nothing", "no image"],
)
def test_without_two_ratings_of_an_image_everything_is_undefined(codes):
    for name, (value, reason) in reasons_of(codes, ("1", "2")).items():
        assert value is None, name
        assert reason == "no image has ratings of two raters", name


def test_light_needs_every_pair():
    codes = np.array([[0, 0, -1], [1, 1, -1], [0, 1, -1], [-1, 1, 0]])
    value, reason = reasons_of(codes, ("1", "2"))["light_kappa"]
    assert value is None
    assert reason.startswith("a pair of raters has no image in common")


@pytest.mark.parametrize("categories", [("low", "high"), ("1", "nan"), ("1", "inf")])
def test_interval_level_needs_numbers(categories):
    codes = np.array([[0, 0], [1, 0], [1, 1]])
    reasons = reasons_of(codes, categories)
    assert reasons["krippendorff_alpha_interval"] == (
        None,
        "the interval level needs categories that are numbers",
    )
    assert reasons["ICC(A,1)"] == (
        None,
        "an intraclass correlation needs categories that are numbers",
    )


def test_interval_level_uses_the_values_of_the_categories():
    codes = np.array([[0, 0], [1, 2], [1, 1], [0, 2]])
    even = reasons_of(codes, ("1", "2", "3"))["krippendorff_alpha_interval"][0]
    shifted = reasons_of(codes, ("11", "13", "15"))["krippendorff_alpha_interval"][0]
    uneven = reasons_of(codes, ("1", "2", "10"))["krippendorff_alpha_interval"][0]
    assert even == pytest.approx(shifted)
    assert even != pytest.approx(uneven)
