"""Fréchet distance: published values, closed forms, and what always holds."""

import json
from pathlib import Path
from types import SimpleNamespace

import hypothesis.extra.numpy as arrays_of
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import linalg

from eval.distances import frechet as frechet_module
from eval.distances.frechet import frechet_distance, frechet_distance_from_features
from eval.distances.moments import Moments
from hpc.errors import InputError

GOLDEN = Path(__file__).parents[1] / "golden" / "metric_cases.json"
SHARED = Path(__file__).parents[3].parent / "shared" / "reference" / "metric_cases.visible.json"


def gaussian(mean, covariance):
    return SimpleNamespace(mean_D=np.array(mean), covariance_DD=np.array(covariance))


def check(case):
    given = case["input"]
    if case["metric"] == "frechet_distance":
        value = frechet_distance(
            gaussian(given["mu1"], given["sigma1"]), gaussian(given["mu2"], given["sigma2"])
        )
    else:
        assert given["ddof"] == 1
        if case["expected"] is None:
            with pytest.raises(InputError, match="at least 2 images"):
                frechet_distance_from_features(given["x"], given["y"])
            return
        value = frechet_distance_from_features(given["x"], given["y"])
    assert value == pytest.approx(case["expected"], abs=case["tolerance"])


def frechet_cases(path):
    cases = json.loads(path.read_text())
    return [case for case in cases if case["metric"].startswith("frechet_distance")]


@pytest.mark.parametrize("case", frechet_cases(GOLDEN), ids=lambda case: case["name"])
def test_golden(case):
    check(case)


def test_shared_reference_cases():
    if not SHARED.exists():
        pytest.skip("the shared reference cases are not beside this clone")
    for case in frechet_cases(SHARED):
        check(case)


@st.composite
def pairs_of_features(draw):
    """Two sets of vectors of one dimension, of different sizes, fewer or more than dimensions."""
    dimension = draw(st.integers(1, 6))
    elements = st.floats(-10, 10).map(lambda value: round(value, 3))
    return tuple(
        draw(arrays_of.arrays(np.float64, (draw(st.integers(2, 10)), dimension), elements=elements))
        for _ in range(2)
    )


def total_variance(*sets):
    return sum(np.trace(Moments.of(features).covariance_DD) for features in sets)


@given(pairs_of_features())
def test_symmetric_and_never_negative(pair):
    x, y = pair
    there, back = frechet_distance_from_features(x, y), frechet_distance_from_features(y, x)

    assert there >= 0
    assert there == pytest.approx(back, rel=1e-9, abs=1e-6 * total_variance(x, y) + 1e-12)


@given(pairs_of_features())
def test_features_and_their_moments_agree(pair):
    x, y = pair

    from_features = frechet_distance_from_features(x, y)
    from_moments = frechet_distance(Moments.of(x), Moments.of(y))

    tolerance = 1e-6 * total_variance(x, y) + 1e-12
    assert from_features == pytest.approx(from_moments, rel=1e-9, abs=tolerance)


@given(pairs_of_features())
def test_zero_to_itself(pair):
    x, _ = pair
    scale = total_variance(x)

    assert frechet_distance_from_features(x, x) <= 1e-9 * scale + 1e-12
    assert frechet_distance(Moments.of(x), Moments.of(x)) <= 1e-6 * scale + 1e-12


@given(pairs_of_features())
def test_an_offset_of_a_million_does_not_matter_to_any_features(pair):
    x, y = pair
    tolerance = 1e-6 * total_variance(x, y) + 1e-8

    expected = frechet_distance_from_features(x, y)

    for moved in (
        frechet_distance_from_features(x + 1e6, y + 1e6),
        frechet_distance(
            Moments.of(x[:3] + 1e6).merge(Moments.of(x[3:] + 1e6)), Moments.of(y + 1e6)
        ),
    ):
        assert moved == pytest.approx(expected, rel=1e-6, abs=tolerance)


@given(pairs_of_features())
def test_the_fast_way_is_taken_only_where_it_is_exact(pair):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(frechet_module, "_PRECISION", -1)
        exact = frechet_distance(*map(Moments.of, pair))

    found = frechet_distance(*map(Moments.of, pair))

    assert found == pytest.approx(exact, rel=1e-9, abs=1e-9 * total_variance(*pair))


def test_the_fast_way_is_taken_for_covariances_of_full_rank(monkeypatch):
    def never(*arguments, **options):
        raise AssertionError("singular values were asked for")

    x, y = (np.random.default_rng(seed).normal(size=(200, 30)) for seed in (0, 1))
    expected = frechet_distance_from_features(x, y)
    monkeypatch.setattr(np.linalg, "svd", never)

    assert frechet_distance_from_features(x, y) == expected


def test_commuting_covariances_have_a_closed_form():
    real, synthetic = np.array([4.0, 9.0, 0.25]), np.array([1.0, 16.0, 0.0])

    value = frechet_distance(
        gaussian(np.zeros(3), np.diag(real)), gaussian(np.ones(3), np.diag(synthetic))
    )

    assert value == pytest.approx(3 + np.square(np.sqrt(real) - np.sqrt(synthetic)).sum())


def test_equals_the_matrix_square_root():
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(60, 8)) @ rng.normal(size=(8, 8)), rng.normal(size=(40, 8)) + 1
    covariances = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    root = np.real(linalg.sqrtm(covariances[0] @ covariances[1]))
    shift = x.mean(axis=0) - y.mean(axis=0)
    expected = shift @ shift + np.trace(covariances[0] + covariances[1] - 2 * root)

    assert frechet_distance_from_features(x, y) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("n", "dimension"), [(40, 5), (5, 40)])
def test_a_common_offset_of_a_million_does_not_matter(n, dimension):
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(n, dimension)), 2 * rng.normal(size=(n, dimension))

    moved = frechet_distance_from_features(x + 1e6, y + 1e6)

    assert moved == pytest.approx(frechet_distance_from_features(x, y), rel=1e-8)


def test_singular_statistics_cost_no_digits():
    # 20 images in 300 dimensions: eigenvalues of S1^½ S2 S1^½ would be off by 1e-8 in 281 of them.
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(20, 300)), rng.normal(size=(30, 300))

    from_statistics = frechet_distance(Moments.of(x), Moments.of(y))

    assert from_statistics == pytest.approx(frechet_distance_from_features(x, y), rel=1e-12)
    assert frechet_distance(Moments.of(x), Moments.of(x)) < 1e-12 * total_variance(x)


def test_one_dimension_as_numpy_gives_it():
    scalar = gaussian(3.0, np.cov(np.array([1.0, 3.0, 5.0, 3.0])))

    assert scalar.covariance_DD.ndim == 0
    assert frechet_distance(scalar, gaussian([1.0], [0.25])) == pytest.approx(
        4 + (np.sqrt(8 / 3) - 0.5) ** 2
    )


@pytest.mark.parametrize(
    ("one", "message"),
    [
        (gaussian([0.0, 0.0, 0.0], np.eye(3)), "dimension 2.*dimension 3|dimension 3.*dimension 2"),
        (gaussian([0.0, np.nan], np.eye(2)), "not finite"),
        (gaussian([0.0, 0.0], [[1.0, np.inf], [np.inf, 1.0]]), "not finite"),
        (gaussian([0.0, 0.0], np.eye(3)), "does not belong"),
        (gaussian([0.0, 0.0], [[1.0, 0.5], [0.0, 1.0]]), "not symmetric"),
        (gaussian([0.0, 0.0], [[1.0, 2.0], [2.0, 1.0]]), "negative eigenvalue"),
    ],
)
def test_what_is_no_gaussian_is_refused(one, message):
    with pytest.raises(InputError, match=message):
        frechet_distance(one, gaussian([0.0, 0.0], np.eye(2)))


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.ones((3, 2)), np.ones((3, 4)), "same extractor"),
        (np.ones((3, 2)), np.array([[1.0, np.nan], [0.0, 0.0]]), "not finite"),
        (np.ones((0, 2)), np.ones((3, 2)), "one has 0"),
        (np.ones((1, 2)), np.ones((3, 2)), "one has 1"),
    ],
)
def test_features_without_a_distance_are_refused(x, y, message):
    with pytest.raises(InputError, match=message):
        frechet_distance_from_features(x, y)
