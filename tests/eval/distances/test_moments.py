"""Moments: merging is exact, whatever the parts."""

import json
from pathlib import Path

import hypothesis.extra.numpy as arrays_of
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.distances import moments as moments_module
from eval.distances.moments import Moments
from hpc.errors import InputError

GOLDEN = Path(__file__).parents[1] / "golden" / "metric_cases.json"
CASES = [case for case in json.loads(GOLDEN.read_text()) if case["metric"] == "merge_moments"]


@st.composite
def features_in_parts(draw):
    """(features, cuts): vectors with a common offset, and where to cut them; parts may be empty."""
    shape = draw(st.tuples(st.integers(2, 12), st.integers(1, 5)))
    values = draw(arrays_of.arrays(np.float64, shape, elements=st.floats(-100, 100)))
    offset = draw(st.sampled_from([0.0, 1e3, 1e6]))
    cuts = draw(st.lists(st.integers(0, shape[0]), max_size=4).map(sorted))
    return values + offset, cuts


def merged(parts):
    total = Moments.empty(parts[0].shape[1])
    for part in parts:
        total = total.update(part)
    return total


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_golden(case):
    total = merged([np.array(part) for part in case["input"]["parts"]])

    assert total.n == case["expected"]["n"]
    assert total.mean_D == pytest.approx(np.array(case["expected"]["mu"]), abs=case["tolerance"])
    assert total.covariance_DD == pytest.approx(
        np.array(case["expected"]["sigma"]), abs=case["tolerance"]
    )


@given(features_in_parts())
def test_merging_any_parts_equals_one_pass(drawn):
    features, cuts = drawn

    total = merged(np.split(features, cuts))

    spread = np.abs(features - features.mean(axis=0)).max()
    # float64 cannot tell means apart that differ by less than this.
    resolution = 8 * np.finfo(np.float64).eps * np.abs(features).max()
    assert total.n == len(features)
    assert total.mean_D == pytest.approx(features.mean(axis=0), rel=1e-12, abs=1e-12)
    expected = np.cov(features, rowvar=False).reshape(total.covariance_DD.shape)
    assert total.covariance_DD == pytest.approx(
        expected, abs=1e-12 * spread**2 + resolution * (spread + resolution) + 1e-300
    )


def test_blocks_of_a_long_part_do_not_show(monkeypatch):
    features = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    whole = Moments.of(features)
    monkeypatch.setattr(moments_module, "_BLOCK_ROWS", 7)

    blocks = Moments.of(features)

    assert blocks.n == whole.n
    assert blocks.scatter_DD == pytest.approx(whole.scatter_DD, rel=1e-12, abs=1e-12)


def test_float32_features_far_from_zero_lose_nothing():
    # Sums of squares in float32 would be off by more than the variance itself.
    features = np.array([[1000.0], [1001.0], [1002.0]], dtype=np.float32)

    assert Moments.of(features).covariance_DD == pytest.approx(np.array([[1.0]]), abs=1e-12)


@pytest.mark.parametrize(
    ("features", "message"),
    [
        ([[1.0, np.nan], [2.0, 3.0]], "1 of 2 images.*not finite, first number 0"),
        ([[1.0], [np.inf]], "first number 1"),
        ([1.0, 2.0], "shape"),
    ],
)
def test_what_is_no_set_of_features_is_refused(features, message):
    with pytest.raises(InputError, match=message):
        Moments.of(np.array(features))


def test_one_vector_has_no_covariance():
    with pytest.raises(InputError, match="at least 2 images"):
        _ = Moments.of(np.ones((1, 3))).covariance_DD


def test_other_dimensions_do_not_merge():
    with pytest.raises(InputError, match=r"dimension 2.*dimension 3"):
        Moments.empty(2).merge(Moments.empty(3))


@pytest.mark.parametrize("dtype", [np.complex64, "U3", "datetime64[s]"])
def test_features_that_are_no_real_numbers_are_refused(dtype):
    """NumPy would take the real part of a complex number, and the number that a text spells."""
    with pytest.raises(InputError, match="must be real numbers, not "):
        Moments.of(np.zeros((3, 2)).astype(dtype))
