"""AUCs within folds, with intervals over patients."""

import numpy as np
import pytest

from eval.two_samples.areas import auc_number
from eval.two_samples.classifiers import area


def study(seed, patients=30, tiles=4, shift=0.0, spread=1.0):
    """Scores of real and synthetic tiles; those of a patient have an effect in common."""
    random = np.random.default_rng(seed)
    effect = spread * random.normal(size=(patients, 2, 1))
    scores = random.normal(size=(patients, 2, tiles)) + effect + [[[0.0], [shift]]]
    groups = np.repeat([f"p{i}" for i in range(patients)], 2 * tiles).tolist()
    synthetic = np.tile(np.repeat([False, True], tiles), patients)
    return scores.ravel(), synthetic, np.repeat(np.arange(patients) % 5, 2 * tiles), groups


def test_within_one_fold_it_is_the_area_that_is_known():
    scores, synthetic, fold, groups = study(0)
    number = auc_number("auc", scores, synthetic, np.zeros_like(fold), groups)
    assert number.value == pytest.approx(area(scores, synthetic))
    assert number.interval[0] < number.value < number.interval[1]


def test_only_tiles_of_a_fold_are_compared():
    """A fold whose classifier gives higher scores to all makes no difference."""
    scores, synthetic, fold, groups = study(1, shift=1)
    moved = auc_number("auc", scores + 100 * fold, synthetic, fold, groups)
    assert moved.value == pytest.approx(auc_number("auc", scores, synthetic, fold, groups).value)


def test_ties_are_one_half_and_certainty_has_no_interval():
    scores, synthetic, fold, groups = study(2)
    tied = auc_number("auc", np.zeros_like(scores), synthetic, fold, groups)
    assert (tied.value, tied.interval) == (0.5, None)
    sure = auc_number("auc", synthetic.astype(float), synthetic, fold, groups)
    assert (sure.value, sure.interval) == (1.0, None)
    assert "the same without any group" in sure.details["interval_note"]


def test_two_patients_have_no_interval():
    assert auc_number("auc", *study(3, patients=2)[:2], np.zeros(16, int), ["a"] * 8 + ["b"] * 8
                      ).interval is None  # fmt: skip


@pytest.mark.parametrize("patients", [7, 30])
def test_intervals_cover_the_truth(patients):
    """Of 200 studies in which nothing can be told apart; tiles of a patient are alike."""
    held = [
        low < 0.5 < high
        for seed in range(200)
        for low, high in [auc_number("auc", *study(seed, patients)).interval]
    ]
    assert 0.9 <= np.mean(held) <= 1
