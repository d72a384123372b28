"""Kernel distance: reference cases, the definition in two loops, blocks, the jackknife."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics.pairwise import polynomial_kernel

from eval.distances import kid as kid_module
from eval.distances.kid import kernel_sums, kid, subset_distances
from hpc.errors import InputError

GOLDEN = Path(__file__).parents[1] / "golden" / "metric_cases.json"
SHARED = Path(__file__).parents[3].parent / "shared" / "reference" / "metric_cases.visible.json"


def cases(path):
    return [case for case in json.loads(path.read_text()) if case["metric"] == "kid_unbiased_mmd2"]


def check(case):
    given = case["input"]
    assert (given["degree"], given["gamma"], given["coef0"]) == (3, "1/d", 1)
    assert kid(given["x"], given["y"]) == pytest.approx(case["expected"], abs=case["tolerance"])


@pytest.mark.parametrize("case", cases(GOLDEN), ids=lambda case: case["name"])
def test_golden(case):
    check(case)


def test_shared_reference_cases():
    if not SHARED.exists():
        pytest.skip("the shared reference cases are not beside this clone")
    for case in cases(SHARED):
        check(case)


def draws(seed, n, dimension, shift=0.0):
    return np.random.default_rng(seed).normal(size=(n, dimension)) + shift


def by_definition(x, y):
    xx, yy, xy = (polynomial_kernel(*pair, degree=3) for pair in ((x, x), (y, y), (x, y)))
    n, m = len(x), len(y)
    return (
        (xx.sum() - np.trace(xx)) / (n * (n - 1))
        + (yy.sum() - np.trace(yy)) / (m * (m - 1))
        - 2 * xy.mean()
    )


@st.composite
def pairs(draw):
    dimension = draw(st.integers(1, 5))
    return tuple(
        draw(arrays(np.float64, (draw(st.integers(2, 9)), dimension), elements=st.floats(-9, 9)))
        for _ in range(2)
    )


@given(pairs(), st.sampled_from([1, 7, 1 << 22]))
def test_it_is_the_definition_whatever_the_blocks(pair, block):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kid_module, "_BLOCK_VALUES", block)
        there, back = kid(*pair), kid(*reversed(pair))

    scale = sum(np.abs(polynomial_kernel(one, degree=3)).max() for one in pair)
    assert there == pytest.approx(by_definition(*pair), rel=1e-9, abs=1e-12 * scale)
    assert there == pytest.approx(back, rel=1e-9, abs=1e-12 * scale)


def test_the_interval_is_that_of_leaving_out_each_tile():
    x, y = draws(0, 12, 3), draws(1, 9, 3, 0.5)
    variance = 0.0
    for one, other in ((x, y), (y, x)):
        without = np.array([kid(np.delete(one, row, axis=0), other) for row in range(len(one))])
        variance += (len(one) - 1) * without.var()

    low, high = kernel_sums(x, y).interval()

    assert (high - low) / 2 == pytest.approx(1.959964 * variance**0.5, rel=1e-6)
    assert (high + low) / 2 == pytest.approx(kid(x, y))


def test_two_tiles_have_a_distance_but_no_interval():
    assert kernel_sums(draws(0, 2, 3), draws(1, 5, 3)).interval() is None


def test_one_tile_has_no_distance():
    with pytest.raises(InputError, match="at least 2 images a side, one has 1"):
        kid(draws(0, 1, 3), draws(1, 5, 3))


def test_the_mean_of_many_subsets_is_the_distance_of_all():
    x, y = draws(0, 60, 4), draws(1, 50, 4, 0.4)

    found = subset_distances(x, y, subsets=400, size=20, random=np.random.default_rng(0))

    error = np.std(found) / len(found) ** 0.5
    assert abs(np.mean(found) - kid(x, y)) < 4 * error


def test_float32_features_are_summed_in_float64():
    x, y = (draws(seed, 40, 8).astype(np.float32) + 50 for seed in (0, 1))

    assert kid(x, y) == pytest.approx(kid(x.astype(float), y.astype(float)), rel=1e-12)
