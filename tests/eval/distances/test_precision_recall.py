"""Balls of nearest neighbours: reference cases, the definition in loops, ties, doubles, offsets."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from eval.distances import precision_recall
from eval.distances.precision_recall import membership
from hpc.errors import InputError

GOLDEN = Path(__file__).parents[1] / "golden" / "metric_cases.json"
SHARED = Path(__file__).parents[3].parent / "shared" / "reference" / "metric_cases.visible.json"
NAMES = ("precision", "recall", "density", "coverage")


def cases(path):
    return [case for case in json.loads(path.read_text()) if case["metric"] == "prdc"]


def numbers(real, synthetic, k):
    found = membership(real, synthetic, k_precision=k, k_coverage=k)
    return {name: getattr(found, name) for name in NAMES}


def check(case):
    given = case["input"]
    found = numbers(given["real"], given["fake"], given["k"])
    assert found == pytest.approx(case["expected"], abs=case["tolerance"])


@pytest.mark.parametrize("case", cases(GOLDEN), ids=lambda case: case["name"])
def test_golden(case):
    check(case)


def test_shared_reference_cases():
    if not SHARED.exists():
        pytest.skip("the shared reference cases are not beside this clone")
    for case in cases(SHARED):
        check(case)


def by_definition(real, fake, k):
    def squared(one, other):
        return float(np.square(one - other).sum())

    def radius(points, number):
        others = [squared(points[number], p) for at, p in enumerate(points) if at != number]
        return sorted(others)[k - 1]

    real_radii = [radius(real, number) for number in range(len(real))]
    fake_radii = [radius(fake, number) for number in range(len(fake))]
    apart = np.array([[squared(r, f) for f in fake] for r in real])
    reached = apart <= np.array(real_radii)[:, None]
    inside = (apart < np.array(real_radii)[:, None]) | (apart == 0)
    back = apart <= np.array(fake_radii)
    return {
        "precision": reached.any(axis=0).mean(),
        "recall": back.any(axis=1).mean(),
        "density": inside.sum(axis=0).mean() / k,
        "coverage": inside.any(axis=1).mean(),
    }


@st.composite
def pairs(draw):
    """Integers: full of ties and doubles, which floating point then tells exactly."""
    dimension = draw(st.integers(1, 3))
    return tuple(
        draw(
            arrays(
                np.float64,
                (draw(st.integers(4, 9)), dimension),
                elements=st.integers(-5, 5).map(float),
            )
        )
        for _ in range(2)
    )


@given(pairs(), st.integers(1, 3), st.sampled_from([1, 20, 1 << 22]), st.sampled_from([0, 1e6]))
def test_it_is_the_definition_whatever_the_blocks_and_the_offset(pair, k, block, offset):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(precision_recall, "_BLOCK_VALUES", block)
        found = numbers(pair[0] + offset, pair[1] + offset, k)

    assert found == pytest.approx(by_definition(*pair, k))


def test_each_number_has_its_k():
    real, fake = (np.random.default_rng(seed).normal(size=(30, 2)) for seed in (0, 1))

    mixed = membership(real, fake)

    three, five = numbers(real, fake, 3), numbers(real, fake, 5)
    assert (mixed.precision, mixed.recall) == (three["precision"], three["recall"])
    assert (mixed.density, mixed.coverage) == (five["density"], five["coverage"])


@pytest.mark.parametrize("offset", [0, 1000])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_copy_has_everything_also_of_tiles_that_are_there_often(offset, dtype):
    """Eight of 24 are alike, as glass is: their balls have no size."""
    real = np.random.default_rng(0).normal(size=(24, 2048)).astype(dtype) * 1e-3 + offset
    real[3::3] = real[0]

    found = numbers(real, real[::-1].copy(), 3)

    assert [found[name] for name in ("precision", "recall", "coverage")] == [1, 1, 1]
    expected = by_definition(real.astype(float) - offset, real.astype(float) - offset, 3)
    assert found == pytest.approx(expected)


def test_equal_tiles_on_both_sides_or_different_ones():
    flat = np.full((9, 50), 0.1)

    same = numbers(flat, flat, 3)
    assert [same[name] for name in ("precision", "recall", "coverage")] == [1, 1, 1]
    assert numbers(flat, flat + 1e-9, 3) == dict.fromkeys(NAMES, 0)


def test_the_edge_is_inside_for_precision_and_recall_outside_for_density_and_coverage():
    real, fake = np.array([[0.0], [3.0], [100.0]]), np.array([[-3.0], [6.0], [50.0]])

    found = numbers(real, fake, 1)

    assert (found["density"], found["coverage"]) == pytest.approx((2 / 3, 1 / 3))
    assert found["precision"] == 1


def test_ties_do_not_depend_on_rounding():
    """A copy, moved: each tile is at the edge of the ball of the tile whose neighbour it is."""
    real = np.random.default_rng(1).normal(size=(40, 300))
    moved = np.concatenate([real[20:], real[:20]])

    found = numbers(real, moved, 1)

    assert found["density"] == 1


def test_tissue_far_away_is_in_no_ball():
    real = np.random.default_rng(0).normal(size=(20, 3))

    assert numbers(real, real + 100, 3) == dict.fromkeys(NAMES, 0)


def test_too_few_tiles_for_the_neighbours():
    with pytest.raises(InputError, match="there are 5 and 9"):
        membership(np.eye(5), np.ones((9, 5)))
