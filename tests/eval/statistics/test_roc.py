"""Areas under ROC curves: published values, other implementations, the definition, its edges."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import roc_auc_score

from eval.statistics.roc import areas, areas_of_counts, auc_of, logit_interval
from hpc.errors import InputError

# Hanley & McNeil 1982, Radiology 143:29, table I: 109 CT images, ratings from definitely normal to
# definitely abnormal. Area 0.893 there; standard error 0.0307 and interval 0.833 to 0.953 by DeLong
# in the manual of Stata's roctab, which has these data as its example.
NORMAL, ABNORMAL = (33, 6, 6, 11, 2), (3, 2, 2, 11, 33)
GRADES = st.lists(st.integers(1, 5), min_size=2, max_size=12)


def ratings(counts):
    return np.repeat(np.arange(1, 6), counts)


def test_the_example_of_hanley_and_mcneil():
    found = areas(ratings(ABNORMAL), ratings(NORMAL))
    (area,), ((variance,),) = found.values_R, found.covariance_RR
    error = np.sqrt(variance)
    assert (found.n_positive, found.n_negative) == (51, 58)
    assert area == pytest.approx(0.8932, abs=5e-5)
    assert error == pytest.approx(0.0307, abs=5e-5)
    assert area - 1.959964 * error == pytest.approx(0.83295, abs=5e-5)
    assert area + 1.959964 * error == pytest.approx(0.95339, abs=5e-5)


def test_a_number_says_how_it_was_made():
    number = auc_of([*ratings(ABNORMAL), None, float("nan")], ratings(NORMAL).tolist())
    low, high = number.interval
    assert (number.name, number.n, number.reason) == ("auc", 109, None)
    assert number.details["images"] == {"positive": 51, "negative": 58}
    assert (number.interval_level, number.interval_method) == (0.95, "DeLong 1988, logit")
    assert (low, high) == pytest.approx((0.8165, 0.9402), abs=2e-3)
    assert number.details["by_formula"][0]["standard_error"] == pytest.approx(0.0307, abs=5e-5)
    (ninety,) = [auc_of(ratings(ABNORMAL), ratings(NORMAL), level=0.9).interval]
    assert low < ninety[0] < ninety[1] < high


def test_no_number_has_a_reason():
    number = auc_of([None], [1, 2])
    assert (number.value, number.interval) == (None, None)
    assert number.reason == "no positive image was rated"
    assert auc_of([], []).reason == "no positive and no negative image was rated"
    assert (auc_of([3], [1, 2]).value, auc_of([3], [1, 2]).interval) == (1, None)


@given(GRADES, GRADES)
def test_it_is_the_area_of_others(positive, negative):
    (area,) = areas(positive, negative).values_R
    truth = [1] * len(positive) + [0] * len(negative)
    assert area == pytest.approx(roc_auc_score(truth, positive + negative))
    u = stats.mannwhitneyu(positive, negative).statistic
    assert area == pytest.approx(u / len(positive) / len(negative))
    (again,) = areas(negative, positive).values_R
    assert again == pytest.approx(1 - area)


def by_definition(positive, negative):
    """DeLong's components, pair by pair, and their covariance: (R,), (R, R)."""
    higher = (positive[:, :, None] > negative[:, None, :]) + (
        positive[:, :, None] == negative[:, None, :]
    ) / 2
    m, n = higher.shape[1:]
    of_positive, of_negative = higher.mean(axis=2), higher.mean(axis=1)
    covariance = np.cov(of_positive).reshape(len(higher), -1) / m
    return of_positive.mean(axis=1), covariance + np.cov(of_negative).reshape(len(higher), -1) / n


@given(st.integers(1, 3), st.integers(2, 8), st.integers(2, 8), st.integers(0, 2**32 - 1))
def test_it_is_the_definition_also_of_several_readers(readers, m, n, seed):
    random = np.random.default_rng(seed)
    positive, negative = (random.integers(1, 5, (readers, size)) for size in (m, n))
    found = areas(positive, negative)
    values, covariance = by_definition(positive, negative)
    assert found.values_R == pytest.approx(values)
    assert found.covariance_RR == pytest.approx(covariance)


@given(GRADES, GRADES)
def test_counts_give_the_same_area(positive, negative):
    counts = [np.bincount(one, minlength=6)[None].astype(float) for one in (positive, negative)]
    assert areas_of_counts(*counts) == pytest.approx(areas(positive, negative).values_R)


def test_without_images_of_a_kind_a_replicate_is_undefined():
    found = areas_of_counts(np.array([[0.0, 0], [1, 1]]), np.array([[1.0, 0], [0, 0]]))
    assert np.isnan(found).all()


def test_one_image_of_a_kind_has_an_area_and_no_error():
    found = areas([3], [1, 2, 3])
    assert found.values_R == pytest.approx([2.5 / 3])
    assert found.covariance_RR is None


@pytest.mark.parametrize(
    ("positive", "negative", "match"),
    [
        ([], [1, 2], "0 positive and 2 negative"),
        ([[1, 2]], [[1], [2]], "by 1 and 2 readers"),
        ([1, np.nan], [1], "positive ratings holds values that are not finite"),
        ([1], ["a"], "negative ratings holds"),
    ],
)
def test_what_has_no_area_is_refused(positive, negative, match):
    with pytest.raises(InputError, match=match):
        areas(positive, negative)


@given(st.floats(0.001, 0.999), st.floats(1e-6, 0.3))
def test_intervals_lie_between_0_and_1_around_the_value(value, error):
    low, high = logit_interval(value, error, 0.95)
    assert 0 <= low < value < high <= 1


@pytest.mark.parametrize(("value", "error"), [(0, 0.1), (1, 0.1), (0.5, 0), (1, 0)])
def test_an_interval_of_certainty_is_none(value, error):
    assert logit_interval(value, error, 0.95) is None


def test_intervals_hold_the_truth_about_as_often_as_they_say():
    """Ratings with ties, true area 0.76 by enumeration."""
    shares = np.array([[0.4, 0.3, 0.2, 0.1], [0.1, 0.2, 0.3, 0.4]])
    truth = float(areas_of_counts(shares[1:], shares[:1])[0])
    random, held = np.random.default_rng(0), 0
    for _ in range(400):
        negative, positive = (random.choice(4, size=40, p=row) for row in shares)
        found = areas(positive, negative)
        ends = logit_interval(found.values_R[0], found.covariance_RR[0, 0] ** 0.5, 0.95)
        held += ends is not None and ends[0] <= truth <= ends[1]
    assert 0.92 < held / 400 < 0.98
