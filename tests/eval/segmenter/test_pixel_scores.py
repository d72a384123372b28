"""Dice and IoU against scikit-learn, and against the scores of single matrices."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, jaccard_score

from eval.segmenter.pixel_scores import (
    accuracy,
    class_scores,
    confusion_of,
    dice,
    iou,
    mean_of_defined,
)

CLASSES = 4


@st.composite
def pixels(draw):
    """Label map and answer of a few pixels; not every class need be there; some are ignored."""
    n = draw(st.integers(1, 30))
    there = draw(st.lists(st.sampled_from([*range(CLASSES), 255]), min_size=n, max_size=n))
    read = draw(st.lists(st.integers(0, CLASSES - 1), min_size=n, max_size=n))
    return np.array([there], dtype=np.uint8), np.array([read], dtype=np.uint8)


@given(pixels())
def test_scores_are_those_of_scikit_learn(pair):
    there, read = pair
    counted = there < CLASSES
    matrix = confusion_of(there, read, CLASSES)
    if not counted.any():
        assert matrix.sum() == 0
        assert np.isnan(accuracy(matrix))
        return
    truth, answer, labels = there[counted], read[counted], list(range(CLASSES))
    np.testing.assert_array_equal(matrix, confusion_matrix(truth, answer, labels=labels))
    options = {"labels": labels, "average": None, "zero_division": np.nan}
    np.testing.assert_allclose(dice(matrix), f1_score(truth, answer, **options))
    defined = ~np.isnan(dice(matrix))
    expected = jaccard_score(truth, answer, labels=labels, average=None, zero_division=0)
    np.testing.assert_allclose(iou(matrix)[defined], expected[defined])
    assert accuracy(matrix) == pytest.approx(accuracy_score(truth, answer))


@given(st.lists(pixels(), min_size=1, max_size=4))
def test_many_matrices_at_once_are_scored_as_one_by_one(pairs):
    matrices = np.stack([confusion_of(*pair, CLASSES) for pair in pairs])
    for matrix, dice_K, iou_K in zip(matrices, dice(matrices), iou(matrices), strict=True):
        known = class_scores(matrix)
        assert [None if np.isnan(x) else x for x in dice_K] == pytest.approx(known.dice)
        assert [None if np.isnan(x) else x for x in iou_K] == pytest.approx(known.iou)
        mean = mean_of_defined(dice_K)
        assert (None if np.isnan(mean) else mean) == pytest.approx(known.mean_dice)


def test_a_class_that_is_read_but_not_there_scores_nothing():
    matrix = np.array([[50, 10, 0], [5, 30, 5], [0, 0, 0]])
    assert dice(matrix).tolist() == pytest.approx([0.8695652173913043, 0.75, 0.0])
    assert iou(matrix).tolist() == pytest.approx([0.7692307692307693, 0.6, 0.0])


def test_a_class_that_is_nowhere_is_left_out_of_the_mean():
    matrix = np.array([[3, 0], [0, 0]])
    assert np.isnan(dice(matrix)[1])
    assert mean_of_defined(dice(matrix)) == 1.0


def test_a_mean_of_nothing_is_undefined_without_a_warning():
    assert np.isnan(mean_of_defined(np.full(3, np.nan)))
