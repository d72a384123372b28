"""Intraclass correlations against statsmodels' analysis of variance, and their degenerate cases."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from statsmodels.stats.oneway import anova_oneway

from eval.icc import MODELS, icc, mean_squares
from eval.rating_sample import MISSING, Sample

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


def test_incomplete_images_are_left_out():
    codes = np.array([[0, 1], [2, 2], [3, 1]])
    longer = np.vstack([codes, [[3, MISSING]]])
    for model in MODELS:
        assert icc(Sample.observed(codes, 4), VALUES, model) == pytest.approx(
            icc(Sample.observed(longer, 4), VALUES, model)
        )
