"""Reference cases of proportions, signal detection and confusion matrices, and their edges."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats import contingency_tables
from statsmodels.stats.proportion import proportion_confint

from eval.segmenter.pixel_scores import class_scores
from eval.statistics.proportions import (
    binomial_test,
    clopper_pearson_interval,
    mcnemar,
    wilson_interval,
)
from eval.statistics.signal_detection import forced_choice_dprime, yes_no_sensitivity
from hpc.errors import InputError

GOLDEN = Path(__file__).parent / "golden" / "metric_cases.json"
SHARED = Path(__file__).parents[2].parent / "shared" / "reference" / "metric_cases.visible.json"


def intervals(k, n, level):
    return {
        "wilson": wilson_interval(k, n, level),
        "clopper_pearson": clopper_pearson_interval(k, n, level),
    }


def sensitivity(**counts):
    found = yes_no_sensitivity(**counts)
    return {"dprime": found.dprime, "c": found.c}


def two_alternatives(pc):
    return {"dprime": forced_choice_dprime(pc)}


def paired(table, correction):
    found = mcnemar(table, correction=correction)
    return {"chi2": found.chi2, "p": found.p}


def segmentation(confusion):
    found = class_scores(confusion)
    return {"iou": found.iou, "dice": found.dice}


HOW = {
    "binomial_ci": intervals,
    "binomial_test_two_sided": binomial_test,
    "sdt_yes_no": sensitivity,
    "sdt_2afc": two_alternatives,
    "mcnemar": paired,
    "segmentation_from_confusion": segmentation,
}


# Those that have a test module of their own.
ELSEWHERE = {"frechet_distance", "frechet_distance_from_features", "kid_unbiased_mmd2", "prdc",
             "merge_moments"}  # fmt: skip


def cases(path):
    return [case for case in json.loads(path.read_text()) if case["metric"] in HOW]


def check(case):
    found, expected = HOW[case["metric"]](**case["input"]), case["expected"]
    if isinstance(expected, float):
        assert found == pytest.approx(expected, abs=case["tolerance"])
        return
    for name, value in expected.items():
        if name != "note":
            assert found[name] == pytest.approx(value, abs=case["tolerance"])


@pytest.mark.parametrize("path", [GOLDEN, SHARED], ids=["golden", "shared"])
def test_every_metric_has_a_test(path):
    if not path.exists():
        pytest.skip(f"{path.name} is not here")
    named = {case["metric"] for case in json.loads(path.read_text())}
    assert named <= set(HOW) | ELSEWHERE


@pytest.mark.parametrize("case", cases(GOLDEN), ids=lambda case: case["name"])
def test_golden(case):
    check(case)


def test_shared_reference_cases():
    if not SHARED.exists():
        pytest.skip("the shared reference cases are not beside this clone")
    for case in cases(SHARED):
        check(case)


@given(data=st.data(), n=st.integers(1, 400), level=st.sampled_from([0.8, 0.95, 0.99]))
def test_intervals_of_proportions_are_those_of_statsmodels(data, n, level):
    k = data.draw(st.integers(0, n))

    for ours, method in ((wilson_interval, "wilson"), (clopper_pearson_interval, "beta")):
        low, high = ours(k, n, level)
        expected = proportion_confint(k, n, 1 - level, method=method)
        assert (low, high) == pytest.approx(expected, abs=1e-10)
        assert 0 <= low <= k / n <= high <= 1


@given(st.integers(0, 60), st.integers(0, 60), st.booleans())
def test_mcnemar_is_that_of_statsmodels(first, second, correction):
    table = [[5, first], [second, 7]]
    found = mcnemar(table, correction=correction)
    if not first + second:
        assert found is None
        return
    expected = contingency_tables.mcnemar(np.array(table), exact=False, correction=correction)
    if correction and first == second:  # statsmodels then has (0 - 1)² / n
        assert (found.chi2, found.p) == (0, 1)
    else:
        assert (found.chi2, found.p) == pytest.approx((expected.statistic, expected.pvalue))
    assert found.exact_p == pytest.approx(stats.binomtest(first, first + second).pvalue)


def test_nothing_counted_is_undefined():
    assert wilson_interval(0, 0) is clopper_pearson_interval(0, 0) is binomial_test(0, 0) is None
    assert mcnemar([[3, 0], [0, 4]]) is None
    assert yes_no_sensitivity(20, 0, 10, 15) is None
    assert yes_no_sensitivity(0, 0, 10, 15) is None
    assert forced_choice_dprime(1.0) is None


@pytest.mark.parametrize(
    "call",
    [
        lambda: wilson_interval(3, 2),
        lambda: wilson_interval(1, 2, 95),
        lambda: clopper_pearson_interval(-1, 2),
        lambda: binomial_test(1, 2, 1.5),
        lambda: mcnemar([[1, 2, 3], [1, 2, 3]]),
        lambda: mcnemar([[1, -2], [1, 2]]),
        lambda: yes_no_sensitivity(-1, 2, 3, 4),
        lambda: forced_choice_dprime(1.2),
        lambda: class_scores([[1, 2]]),
        lambda: class_scores([[1, -2], [0, 1]]),
        lambda: class_scores([[1, np.nan], [0, 1]]),
    ],
)
def test_what_cannot_be_counts_is_refused(call):
    with pytest.raises(InputError):
        call()


def test_a_class_that_is_nowhere_is_left_out_of_the_mean():
    scores = class_scores([[8, 2, 0], [0, 10, 0], [0, 0, 0]])

    assert scores.iou == pytest.approx((0.8, 10 / 12, None))
    assert scores.mean_iou == pytest.approx((0.8 + 10 / 12) / 2)
    assert scores.mean_dice == pytest.approx((16 / 18 + 20 / 22) / 2)
    assert class_scores(np.zeros((3, 3))).mean_dice is None
