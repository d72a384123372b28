"""Ratios of spreads, and their intervals."""

import numpy as np
import pytest

from eval.statistics.group_ratios import mean_of, ratio_number, spread_of


def stains(seed, patients=20, tiles=5, scale=1.0):
    """Those of a patient are alike; total variance 3 · scale²."""
    random = np.random.default_rng(seed)
    patient = np.sqrt(0.8) * random.normal(size=(patients, 1, 3))
    own = np.sqrt(0.2) * random.normal(size=(patients, tiles, 3))
    groups = np.repeat([f"p{i}" for i in range(patients)], tiles).tolist()
    return scale * (patient + own).reshape(-1, 3), groups


def ratio(synthetic, real):
    return ratio_number("r", spread_of(*synthetic), spread_of(*real), "method", "reason")


def test_twice_the_spread_is_two():
    number = ratio(stains(0, 200, scale=2), stains(1, 200))
    assert number.value == pytest.approx(2, rel=0.1)
    assert number.interval[0] < 2 < number.interval[1]
    assert number.details["groups"] == {"synthetic": 200, "real": 200}


def test_intervals_over_patients_cover_the_truth():
    held = [
        low < 1 < high
        for seed in range(200)
        for low, high in [ratio(stains(2 * seed), stains(2 * seed + 1)).interval]
    ]
    assert np.mean(held) >= 0.88
    # As independent, these tiles would promise far too much.
    alone = [str(number) for number in range(100)]
    narrow = ratio((stains(0)[0], alone), (stains(1)[0], alone)).interval
    whole = ratio(stains(0), stains(1)).interval
    assert narrow[1] / narrow[0] < whole[1] / whole[0]


def test_intervals_of_a_ratio_of_means_cover_the_truth():
    """Distances of tiles, as memorization compares them: positive, skew, alike in a patient."""

    def distances(random, patients=15, tiles=4):
        own = 0.3 * random.normal(size=(patients, 1)) + 0.3 * random.normal(size=(patients, tiles))
        groups = np.repeat([f"p{i}" for i in range(patients)], tiles).tolist()
        return mean_of(np.exp(own).ravel(), groups)

    held = []
    for seed in range(200):
        random = np.random.default_rng(seed)
        number = ratio_number("r", distances(random), distances(random), "method", "reason")
        held.append(number.interval[0] < 1 < number.interval[1])
    assert 0.9 <= np.mean(held) <= 0.99


def test_without_a_side_there_is_a_reason():
    number = ratio_number("r", None, mean_of(np.ones(3), ["a", "b", "c"]), "method", "why")
    assert (number.value, number.reason) == (None, "why")
    single = ratio_number(
        "r", mean_of(np.ones(2), ["a", "a"]), mean_of(np.ones(2), ["a", "b"]), "method", "why"
    )
    assert (single.value, single.interval) == (1, None)


def test_two_groups_say_nothing_of_how_a_spread_varies():
    two = spread_of(np.array([[0.2], [0.5]]), ["a", "b"])
    many = spread_of(np.random.default_rng(0).normal(size=(20, 1)), [*map(str, range(20))])
    for sides in ((two, two), (two, many), (many, two)):
        number = ratio_number("x", *sides, "", "")
        assert number.value is not None and number.interval is None
        assert "equally far" in number.details["interval_note"]
    assert ratio_number("x", many, many, "", "").interval is not None
