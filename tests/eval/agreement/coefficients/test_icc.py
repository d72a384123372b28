"""Intraclass correlations against statsmodels' analysis of variance, and their degenerate cases."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm
from statsmodels.stats.oneway import anova_oneway

from eval.agreement.coefficients.icc import MODELS, icc, mean_squares
from eval.agreement.coefficients.sample import MISSING, Sample

VALUES = np.array([1.0, 2.0, 4.0, 8.0])
CODES = arrays(
    np.int64, st.tuples(st.integers(2, 10), st.integers(2, 4)), elements=st.integers(0, 3)
)


@given(codes=CODES)
def test_mean_squares_are_those_of_a_one_way_analysis(codes):
    ms = mean_squares(Sample.observed(codes, 4), VALUES)
    rows = VALUES[codes]
    assume(rows.var(axis=1).sum() > 0)
    theirs = anova_oneway(list(rows), use_var="equal")
    assert ms.images[0] / ms.within[0] == pytest.approx(theirs.statistic)


@settings(max_examples=30, deadline=None)
@given(codes=CODES)
@example(codes=np.array([[0, 1], [1, 0], [0, 1], [1, 0]]))
def test_mean_squares_are_those_of_a_two_way_analysis(codes):
    ms = mean_squares(Sample.observed(codes, 4), VALUES)
    images, raters = np.indices(codes.shape)
    table = pd.DataFrame(
        {"rating": VALUES[codes].ravel(), "image": images.ravel(), "rater": raters.ravel()}
    )
    theirs = anova_lm(ols("rating ~ C(image) + C(rater)", table).fit())["mean_sq"]
    for ours, name in (
        (ms.images, "C(image)"),
        (ms.raters, "C(rater)"),
        (ms.error, "Residual"),
    ):
        assert ours[0] == pytest.approx(theirs[name], abs=1e-9)


@given(codes=CODES, shift=st.integers(-5, 5), data=st.data())
def test_an_offset_of_all_and_the_order_do_not_matter(codes, shift, data):
    order = data.draw(st.permutations(range(len(codes))))
    for model in MODELS:
        once = icc(Sample.observed(codes, 4), VALUES, model)
        again = icc(Sample.observed(codes[list(order)], 4), VALUES + shift, model)
        assert once == pytest.approx(again, nan_ok=True, abs=1e-9)


def test_consistency_forgives_an_offset_and_agreement_does_not():
    codes = np.array([[0, 1], [1, 2], [2, 3], [0, 1]])
    sample, even = Sample.observed(codes, 4), np.arange(4.0)
    assert icc(sample, even, "ICC(C,1)") == pytest.approx([1])
    assert icc(sample, even, "ICC(A,1)")[0] < 0.8


@pytest.mark.parametrize(
    "codes",
    [
        np.full((5, 3), 2),
        np.array([[0, 1, 2]]),
        np.array([[0], [1]]),
        np.array([[0, MISSING], [MISSING, 1]]),
        np.empty((0, 2), dtype=np.int64),
    ],
    ids=["all the same", "one image", "one rater", "none complete", "no image"],
)
@pytest.mark.parametrize("model", MODELS)
def test_undefined_is_nan(codes, model):
    assert np.isnan(icc(Sample.observed(codes, 4), VALUES, model)).all()


def test_a_denominator_that_is_zero_but_for_rounding_is_undefined():
    # 1,1 | 1,2 | 2,1: MS(images) 1/6, MS(error) 1/2, MS(raters) 0: 1/6 + (0 - 1/2) / 3 = 0.
    sample = Sample.observed(np.array([[0, 0], [0, 1], [1, 0]]), 2)
    assert np.isnan(icc(sample, np.array([1.0, 2.0]), "ICC(A,k)")).all()


def test_incomplete_images_are_left_out():
    codes = np.array([[0, 1], [2, 2], [3, 1]])
    longer = np.vstack([codes, [[3, MISSING]]])
    for model in MODELS:
        assert icc(Sample.observed(codes, 4), VALUES, model) == pytest.approx(
            icc(Sample.observed(longer, 4), VALUES, model)
        )
