"""Weights against Gwet's tables for three categories, and what holds for all of them."""

import numpy as np
import pytest

from eval.agreement.coefficients.weights import (
    BY_POSITION,
    BY_VALUE,
    disagreements,
    ratio_difference,
)


@pytest.mark.parametrize("weights", sorted(BY_POSITION))
@pytest.mark.parametrize("k", [1, 2, 5])
def test_disagreements_lie_between_none_and_one(weights, k):
    disagreement = disagreements(weights, k)
    assert disagreement.shape == (k, k)
    assert not np.diag(disagreement).any()
    assert np.array_equal(disagreement, disagreement.T)
    assert disagreement.max() == pytest.approx(1 if k > 1 else 0)
    if weights != "circular":
        assert (np.diff(disagreement[0]) >= 0).all()


# Gwet 2014, chapter 3; agreement of neighbours, and of the two ends, among three categories.
@pytest.mark.parametrize(
    ("weights", "neighbours", "ends"),
    [
        ("none", 0, 0),
        ("linear", 0.5, 0),
        ("quadratic", 0.75, 0),
        ("radical", 0.293, 0),
        ("ordinal", 0.667, 0),
        ("bipolar", 0.667, 0),
        ("circular", 0, 0),
    ],
)
def test_three_categories(weights, neighbours, ends):
    agreement = 1 - disagreements(weights, 3)
    assert agreement[0, 1] == pytest.approx(neighbours, abs=5e-4)
    assert agreement[0, 2] == pytest.approx(ends, abs=5e-4)


def test_ratio_weights_and_differences():
    agreement = 1 - BY_VALUE["ratio"](np.array([1.0, 2.0, 3.0]))
    assert agreement[0] == pytest.approx([1, 0.556, 0], abs=5e-4)
    assert agreement[1, 2] == pytest.approx(0.84, abs=5e-4)
    assert ratio_difference(np.array([0.0, 0.0, 2.0]))[0].tolist() == [0, 0, 1]


@pytest.mark.parametrize(
    ("other", "name"), [("identity", "none"), ("squared", "quadratic"), ("equal", "linear")]
)
def test_other_names(other, name):
    assert np.array_equal(disagreements(other, 4), disagreements(name, 4))
