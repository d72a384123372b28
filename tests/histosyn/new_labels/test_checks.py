"""What is impossible is refused, and rare classes come as often as asked."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from new_label_maps import KINDS, NUCLEUS, STROMA, glands_map

from histosyn.new_labels.checks import fault_of
from histosyn.new_labels.seen import borders_of, facts_of, seen_in
from histosyn.new_labels.weights import objects_to_add, source_weights
from hpc.errors import InputError


def facts(labels):
    return facts_of(labels, 4, KINDS)


MAPS = [glands_map(number) for number in range(4)]
SEEN = seen_in(map(facts, MAPS), 4, 2)


@pytest.mark.parametrize("labels", MAPS)
def test_what_was_seen_is_possible(labels):
    assert fault_of(facts(labels), SEEN, 0.0) is None


def test_borders_are_counted_by_pixel_edges():
    labels = np.array([[0, 0, 1], [0, 2, 1], [9, 9, 9]], np.uint8)
    assert borders_of(labels, 3).tolist() == [[0, 1, 2], [1, 0, 1], [2, 1, 0]]


def test_classes_that_never_touched_do_not_touch():
    plain = np.full((64, 64), STROMA, np.uint8)
    plain[20:24, 20:24] = NUCLEUS
    seen = seen_in([facts(plain)], 4, 2)
    plain[40:50, 40:50] = 0
    assert fault_of(facts(plain), seen, 10.0) == "touching"


def test_a_border_that_is_too_long_is_refused():
    y, x = np.indices((64, 64))
    crowded = np.where((y % 6 < 4) & (x % 6 < 4), NUCLEUS, STROMA).astype(np.uint8)
    assert fault_of(facts(crowded), SEEN, 0.25) == "border"
    assert fault_of(facts(crowded), SEEN, 100.0) is None


def test_objects_of_another_size_are_refused():
    large = np.full((64, 64), STROMA, np.uint8)
    large[10:30, 10:30] = NUCLEUS
    assert fault_of(facts(large), SEEN, 0.25) == "large object"
    small = np.full((64, 64), STROMA, np.uint8)
    small[10, 10] = NUCLEUS
    assert fault_of(facts(small), SEEN, 0.0) == "small object"


NAMES = ("background", "stroma", "nuclei", "mucin")
shares = st.lists(st.lists(st.floats(0, 1), min_size=3, max_size=3), min_size=2, max_size=9)


@given(shares, st.floats(0.3, 3), st.integers(0, 2))
def test_boosted_classes_have_the_share_asked_for(rows, factor, index):
    shares_NK = np.array(rows)
    usual, most = shares_NK[:, index].mean(), shares_NK[:, index].max()
    least = shares_NK[:, index].min()
    try:
        weights = source_weights(shares_NK, {index: factor}, NAMES)
    except InputError:
        assert factor * usual > usual + 0.9 * (most - usual) or usual == 0
        return
    assert weights.sum() == pytest.approx(1)
    mean = weights @ shares_NK[:, index]
    if factor * usual > least + 0.01:
        assert mean == pytest.approx(factor * usual, abs=0.02)


def test_without_boost_maps_are_drawn_alike():
    assert source_weights(np.eye(4), {}, NAMES).tolist() == [0.25] * 4


def test_two_classes_are_boosted_together():
    rng = np.random.default_rng(0)
    shares_NK = rng.dirichlet((1, 1, 3), 50)
    weights = source_weights(shares_NK, {0: 1.3, 1: 1.4}, NAMES)
    usual = shares_NK.mean(axis=0)
    assert weights @ shares_NK[:, :2] == pytest.approx(usual[:2] * (1.3, 1.4), rel=0.02)


def test_what_the_choice_of_maps_cannot_give_objects_do():
    shares_NK = np.array([[0.8, 0.2], [0.7, 0.3]])
    with pytest.raises(InputError, match="so much of stroma: at most 1.18 times"):
        source_weights(shares_NK, {1: 3.0}, NAMES)
    weights = source_weights(shares_NK, {1: 3.0}, NAMES, kinds=(1,))
    drawn = weights @ shares_NK[:, 1]
    assert drawn == pytest.approx(0.295)
    assert objects_to_add(shares_NK, weights, {1: 3.0})[1] == pytest.approx(0.75 / 0.295 - 1)
