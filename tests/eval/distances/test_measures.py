"""The numbers of a comparison are those of their functions, with the intervals they name."""

from statistics import NormalDist

import numpy as np
import pytest

from eval.distances.feature_set import FeatureSet
from eval.distances.frechet import frechet_distance_from_features
from eval.distances.frechet_interval import frechet_interval
from eval.distances.kid import kernel_sums
from eval.distances.measures import FLOOR, all_numbers, halves
from eval.distances.precision_recall import membership
from eval.features.extractor import Identity
from eval.statistics.proportions import wilson_interval
from hpc.randomness import key_of

ALIKE = "all replicates alike, so no interval"
IDENTITY = Identity(name="given", weights_sha256="0", preprocessing="none")
Z = NormalDist().inv_cdf(0.975)


def feature_set(name, features_ND):
    return FeatureSet(name=name, n=len(features_ND), summary=features_ND, identity=IDENTITY)


def numbers_of(real_ND, synthetic_MD):
    sides = feature_set("real", real_ND), feature_set("synthetic", synthetic_MD)
    return {number.name: number for number in all_numbers(*sides, seed=3)}


@pytest.fixture(scope="module")
def features():
    """Sides of different sizes, centres and spreads, so that no two shares are equal."""
    random = np.random.default_rng(0)
    return random.normal(size=(40, 3)), 0.4 + 0.7 * random.normal(size=(31, 3))


@pytest.fixture(scope="module")
def numbers(features):
    return numbers_of(*features)


def test_the_shares_are_those_of_membership_with_wilson_intervals(features, numbers):
    found = membership(*features)
    expected = {
        "precision": (found.in_real_M, "the synthetic tiles"),
        "recall": (found.in_synthetic_N, "the real tiles"),
        "coverage": (found.covered_N, "the real tiles"),
    }
    assert len({inside.mean() for inside, _ in expected.values()}) == 3
    for name, (inside, asked) in expected.items():
        number = numbers[name]
        assert number.value == pytest.approx(inside.mean(), rel=1e-12)
        assert number.interval == wilson_interval(int(inside.sum()), len(inside), 0.95)
        assert number.n == len(inside)
        assert number.interval_level == 0.95
        assert f"over {asked}" in number.interval_method


def test_density_and_what_it_is_without_each_synthetic_tile(features, numbers):
    found = membership(*features)
    m = len(found.balls_M)
    without = [np.delete(found.balls_M, tile).mean() / 5 for tile in range(m)]
    error = np.sqrt((m - 1) / m * np.square(without - np.mean(without)).sum())

    density = numbers["density"]

    assert density.value == pytest.approx(found.balls_M.mean() / 5, rel=1e-12)
    low, high = found.density - Z * error, found.density + Z * error
    assert low > 0
    assert density.interval == pytest.approx((low, high), rel=1e-9)
    assert density.n == m
    assert density.interval_level == 0.95
    assert "over the synthetic tiles" in density.interval_method
    assert density.details["interval_note"] is None


def test_the_distances_are_those_of_their_functions(features, numbers):
    frechet, kid = numbers["frechet_distance"], numbers["kid"]

    assert frechet.value == frechet_distance_from_features(*features)
    assert frechet.interval == pytest.approx(frechet_interval(*features, level=0.95), rel=1e-9)
    assert kid.value == kernel_sums(*features).distance
    assert kid.interval == kernel_sums(*features).interval(0.95)
    for number in (frechet, kid):
        assert number.n == 31
        assert (number.details["n_real"], number.details["n_synthetic"]) == (40, 31)


def test_the_floors_are_medians_of_the_same_numbers_between_halves(features, numbers):
    splits = [halves(features[0], None, key_of(3, "real versus real", split)) for split in range(5)]
    found = [membership(*split) for split in splits]
    expected = {name: [getattr(one, name) for one in found]
                for name in ("precision", "recall", "density", "coverage")}  # fmt: skip
    expected["kid"] = [kernel_sums(*split).distance for split in splits]
    for name, values in expected.items():
        floor = numbers[f"{name}_{FLOOR}"]
        assert floor.details["values"] == pytest.approx(values, rel=1e-12), name
        assert floor.value == np.median(values)
        assert floor.n == 20
    assert numbers[FLOOR].value == np.median(
        [frechet_distance_from_features(*split) for split in splits]
    )


def without_interval(number):
    return number.interval is number.interval_level is number.interval_method is None


def test_a_density_without_spread_has_no_interval(features):
    """All far away: each synthetic tile lies in no ball. A width of zero would claim certainty."""
    numbers = numbers_of(features[0], features[1] + 100)

    assert numbers["density"].value == 0
    assert without_interval(numbers["density"])
    assert numbers["density"].details["interval_note"] == ALIKE
    assert numbers["precision"].interval[1] > 0.05


@pytest.mark.parametrize("tiles", [12, 900])
@pytest.mark.parametrize("offset", [0, 1000])
def test_distances_between_sides_of_equal_tiles_have_no_interval(tiles, offset):
    one_ND, other_ND = (np.full((tiles, 30), value) + offset for value in (0.3, 0.7))

    numbers = numbers_of(one_ND, other_ND)

    for name in ("frechet_distance", "kid"):
        assert numbers[name].value > 0
        assert without_interval(numbers[name])
        assert numbers[name].details["interval_note"] == ALIKE


@pytest.mark.parametrize("tiles", [12, 900])
@pytest.mark.parametrize("offset", [0, 100])
def test_a_set_compared_with_itself_has_no_interval_of_rounding_errors(tiles, offset):
    spread_D = np.geomspace(1, 1e-4, 300)
    features_ND = np.random.default_rng(0).normal(size=(tiles, 300)) * spread_D + offset

    frechet = numbers_of(features_ND, features_ND.copy())["frechet_distance"]

    assert frechet.value < 1e-12 * np.square(spread_D).sum()
    assert without_interval(frechet)
    assert frechet.details["interval_note"] == ALIKE


@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_small_and_large_features_have_intervals(features, scale):
    frechet = numbers_of(*(scale * one for one in features))["frechet_distance"]

    low, high = frechet.interval
    assert low < frechet.value < high


def test_two_tiles_of_a_side_say_why_they_have_no_interval(features):
    kid = numbers_of(features[0], features[1][:2])["kid"]

    assert without_interval(kid)
    assert kid.details["interval_note"] == "no interval from 2 tiles of a side"


def test_a_side_that_is_more_spread_out_is_recalled_but_less_precise(features):
    """Fixes which side is which: swapped sides swap precision and recall."""
    there, back = numbers_of(*features), numbers_of(*reversed(features))

    assert there["precision"].value > there["recall"].value
    assert (there["precision"].value, there["precision"].interval) == (
        back["recall"].value,
        back["recall"].interval,
    )
