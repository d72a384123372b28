"""Crumbs of objects are given to what is around them; whole objects and edges stay."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from new_label_maps import GLAND, NUCLEUS, STROMA, glands_map

from histosyn.new_labels.crumbs import without_crumbs
from histosyn.new_labels.seen import facts_of

IGNORE = 255


def test_a_crumb_becomes_what_surrounds_it_most():
    labels = np.full((9, 9), STROMA, np.uint8)
    labels[4, 4] = NUCLEUS
    labels[0, 0] = NUCLEUS
    labels[6:8, 6:8] = NUCLEUS
    cleared, count = without_crumbs(labels, (NUCLEUS,), (3,), None)
    assert count == 1
    expected = labels.copy()
    expected[4, 4] = STROMA
    assert (cleared == expected).all()
    assert labels[4, 4] == NUCLEUS, "the map given is left alone"


def test_ignored_pixels_are_not_spread():
    labels = np.full((5, 5), IGNORE, np.uint8)
    labels[2, 2] = NUCLEUS
    cleared, count = without_crumbs(labels, (NUCLEUS,), (9,), IGNORE)
    assert count == 0
    assert (cleared == labels).all()
    labels[1, 1] = STROMA
    assert without_crumbs(labels, (NUCLEUS,), (9,), IGNORE)[0][2, 2] == STROMA


@given(st.integers(0, 50), st.integers(2, 20))
def test_no_whole_object_is_smaller_than_asked(number, least):
    labels = glands_map(number)
    cleared, _ = without_crumbs(labels, (NUCLEUS, GLAND), (least, least), None)
    whole = facts_of(cleared, 4, (NUCLEUS,)).whole_areas[0]
    assert whole.min(initial=least) >= least
    assert set(np.unique(cleared)) <= set(np.unique(labels))
