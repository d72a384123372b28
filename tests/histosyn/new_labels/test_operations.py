"""Each operation on any label map: nothing invented, ignored pixels left alone, the same by key."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from new_label_maps import BACKGROUND, GLAND, KINDS, NUCLEUS, STROMA, glands_map

from histosyn.new_labels.boundaries import roughened
from histosyn.new_labels.displacement import smooth_displacement
from histosyn.new_labels.growing import grown, window_of
from histosyn.new_labels.objects import ObjectChanges, rearranged
from histosyn.new_labels.regions import taken_apart
from histosyn.new_labels.seams import cheapest_path, joined
from histosyn.new_labels.symmetries import flipped
from histosyn.new_labels.warps import STEEPEST, warped

IGNORE = 255
ALL_CHANGES = ObjectChanges(thin=0.3, move=0.5, reach=20, crowd=1.0, turn=180, scale=(0.8, 1.2))
SIZES = st.tuples(st.integers(1, 24), st.integers(1, 24))


@st.composite
def maps(draw, size=None):
    """A map of 1 to 255 classes in blocks, with ignored pixels in it or without."""
    shape = size or draw(SIZES)
    classes = draw(st.integers(1, 255))
    values = st.integers(0, classes - 1)
    if draw(st.booleans()):
        values |= st.just(IGNORE)
    small = draw(arrays.arrays(np.uint8, (-(-shape[0] // 3), -(-shape[1] // 3)), elements=values))
    return small.repeat(3, 0).repeat(3, 1)[: shape[0], : shape[1]]


def rng(key=0):
    return np.random.default_rng(key)


def values_of(*arrays_):
    return {value for each in arrays_ for value in np.unique(each).tolist()}


@given(labels=maps(), symmetry=st.integers(0, 7))
def test_a_flip_keeps_every_pixel(labels, symmetry):
    other = flipped(labels, symmetry)
    assert np.array_equal(np.bincount(other.ravel()), np.bincount(labels.ravel()))
    assert other.shape == (labels.shape if symmetry < 4 else labels.shape[::-1])


def test_the_eight_symmetries_differ():
    labels = np.arange(9, dtype=np.uint8).reshape(3, 3)
    assert len({flipped(labels, symmetry).tobytes() for symmetry in range(8)}) == 8


@given(labels=maps(), key=st.integers(0, 99), turn=st.floats(-180, 180),
       zoom=st.floats(0.5, 2), bend=st.floats(0, 30))  # fmt: skip
def test_a_warp_invents_no_class(labels, key, turn, zoom, bend):
    options = {"turn": turn, "zoom": zoom, "bend": bend}
    other = warped(labels, rng(key), **options)
    assert other.shape == labels.shape
    assert other.dtype == np.uint8
    assert values_of(other) <= values_of(labels)
    assert np.array_equal(other, warped(labels, rng(key), **options))


@settings(max_examples=30)
@given(key=st.integers(0, 9999), bend=st.floats(0, 40), across=st.booleans())
def test_what_is_two_pixels_wide_survives_a_warp(key, bend, across):
    """The share that docs/labels.md states, of lines in the inner half of a map."""
    labels = np.zeros((96, 96), np.uint8)
    labels[24:72, 47:49] = 1
    labels = labels.T if across else labels
    kept = (warped(labels, rng(key), turn=0, zoom=1, bend=min(bend, 20)) == 1).sum()
    assert kept >= 0.6 * labels.sum()


@given(key=st.integers(0, 999), size=SIZES, most=st.floats(0.1, 50))
def test_a_displacement_stays_within_its_limits(key, size, most):
    field = smooth_displacement(rng(key), size, most=most, length=8, steepest=STEEPEST)
    assert field.shape == (2, *size)
    assert np.abs(field).max() <= most * (1 + 1e-9)
    for axis in (1, 2):
        assert np.abs(np.diff(field, axis=axis)).max(initial=0) <= STEEPEST * (1 + 1e-9)


@given(labels=maps(), key=st.integers(0, 99), most=st.floats(0, 5))
def test_roughening_leaves_ignored_pixels_where_they_are(labels, key, most):
    other = roughened(labels, rng(key), most=most, ignore=IGNORE)
    assert np.array_equal(other == IGNORE, labels == IGNORE)
    assert values_of(other) <= values_of(labels)


def test_roughening_moves_boundaries_by_no_more_than_it_may():
    labels = np.zeros((64, 64), np.uint8)
    labels[:, 32:] = 1
    other = roughened(labels, rng(), most=2, ignore=None)
    changed = np.unique(np.nonzero(other != labels)[1])
    assert changed.size
    assert set(changed) <= {30, 31, 32, 33}


@given(labels=maps(), kinds=st.sets(st.integers(0, 5), max_size=3), key=st.integers(0, 99))
def test_a_map_taken_apart_and_put_together_is_the_same(labels, kinds, key):
    layers = taken_apart(labels, sorted(kinds), IGNORE)
    other, moves = rearranged(layers, layers, rng(key), ObjectChanges())
    assert np.array_equal(other, labels)
    assert moves.as_dict() == {"moved": 0, "removed": 0, "added": 0}


@given(labels=maps(), other=maps(), kinds=st.sets(st.integers(0, 5), max_size=3),
       key=st.integers(0, 99))  # fmt: skip
def test_moved_objects_invent_nothing_and_leave_ignored_pixels_alone(labels, other, kinds, key):
    order = sorted(kinds)
    layers, donor = (taken_apart(each, order, IGNORE) for each in (labels, other))
    new, _ = rearranged(layers, donor, rng(key), ALL_CHANGES)
    assert new.shape == labels.shape
    assert np.array_equal(new == IGNORE, labels == IGNORE)
    assert values_of(new) <= values_of(labels, other)
    assert np.array_equal(new, rearranged(layers, donor, rng(key), ALL_CHANGES)[0])


def test_below_a_nucleus_of_a_gland_there_is_gland_and_below_a_gland_stroma():
    labels = np.full((40, 40), STROMA, np.uint8)
    labels[10:30, 10:30] = GLAND
    labels[16:24, 16:24] = BACKGROUND
    labels[12:15, 12:15] = labels[3:6, 3:6] = NUCLEUS
    layers = taken_apart(labels, KINDS, None)
    (in_gland,) = (each for each in layers.regions[0] if each.top == 12)
    (in_stroma,) = (each for each in layers.regions[0] if each.top == 3)
    (gland,) = layers.regions[1]
    assert np.flatnonzero(in_gland.below).tolist() == [GLAND]
    assert np.flatnonzero(in_stroma.below).tolist() == [STROMA]
    assert (in_gland.parents, in_stroma.parents) == ((0,), (-1,))
    assert gland.mask.all(), "the lumen belongs to it"
    assert (layers.ground == STROMA).all()


def test_a_gland_takes_lumen_and_nuclei_along():
    labels = np.full((80, 80), STROMA, np.uint8)
    labels[30:50, 30:50] = GLAND
    labels[36:44, 36:44] = BACKGROUND
    labels[32:35, 32:35] = NUCLEUS
    layers = taken_apart(labels, KINDS, None)
    changes = ObjectChanges(move=1.0, reach=25)
    other, moves = rearranged(layers, layers, rng(3), changes)
    assert moves.moved == 1
    assert not np.array_equal(other, labels)
    assert np.array_equal(np.bincount(other.ravel()), np.bincount(labels.ravel()))


def test_all_objects_taken_away_leave_the_ground():
    labels = glands_map(1)
    inner = labels[2:-2, 2:-2].copy()
    layers = taken_apart(np.pad(inner, 2, constant_values=STROMA), KINDS, None)
    other, moves = rearranged(layers, layers, rng(), ObjectChanges(thin=1.0))
    assert (other == STROMA).all()
    assert moves.removed > 3


def test_objects_put_in_are_more_objects_where_they_can_be():
    layers = taken_apart(glands_map(1), KINDS, None)
    other, moves = rearranged(layers, layers, rng(), ObjectChanges(crowd=2.0))
    before = len(layers.regions[0]) + len(layers.regions[1])
    after = taken_apart(other, KINDS, None)
    assert moves.added > 0
    assert len(after.regions[0]) + len(after.regions[1]) > before
    boosted, more = rearranged(layers, layers, rng(), ObjectChanges(crowd=0.5), more={NUCLEUS: 3.0})
    plain, fewer = rearranged(layers, layers, rng(), ObjectChanges(crowd=0.5))
    assert more.added > fewer.added
    assert (boosted == NUCLEUS).sum() > (plain == NUCLEUS).sum()


def test_where_objects_fill_the_map_they_stay():
    labels = np.full((20, 20), GLAND, np.uint8)
    layers = taken_apart(labels, KINDS, None)
    other, _ = rearranged(layers, layers, rng(), ALL_CHANGES)
    assert np.array_equal(other, labels)


@given(data=st.data(), middle=st.floats(0, 1), size=SIZES)
def test_a_joint_has_one_map_on_each_side(data, middle, size):
    one, two = data.draw(maps(size)), data.draw(maps(size))
    new = joined(one, two, (1, 2), middle)
    assert ((new == one) | (new == two)).all()


def test_a_joint_goes_along_a_border_that_both_have():
    one = np.zeros((30, 30), np.uint8)
    two = np.full((30, 30), 2, np.uint8)
    one[:, 17:] = 1
    new = joined(one, two, (), 0.5)
    assert set(np.unique(np.argmax(new == 2, axis=1)).tolist()) <= {16, 17, 18}


def test_a_joint_goes_past_objects():
    one, two = np.zeros((30, 30), np.uint8), np.ones((30, 30), np.uint8)
    one[10:16, 12:18] = 3
    new = joined(one, two, (3,), 0.5)
    assert (new == 3).sum() in (0, 36)


@given(arrays.arrays(np.float64, SIZES, elements=st.floats(0, 9)))
def test_a_path_has_no_gaps(cost):
    path = cheapest_path(cost)
    assert path.shape == (len(cost),)
    assert ((path >= 0) & (path < cost.shape[1])).all()
    assert (np.abs(np.diff(path)) <= 1).all()


def test_the_cheapest_path_is_taken():
    cost = np.ones((5, 5))
    for row, column in enumerate((0, 1, 2, 2, 3)):
        cost[row, column] = 0
    assert cheapest_path(cost).tolist() == [0, 1, 2, 2, 3]


@given(sources=st.lists(maps(), min_size=1, max_size=3), size=SIZES, key=st.integers(0, 99))
def test_a_grown_map_has_its_size_and_no_other_classes(sources, size, key):
    new = grown(sources, size, (1,), rng(key))
    assert new.shape == size
    assert values_of(new) <= values_of(*sources)


def test_a_map_of_one_class_grows_into_one():
    assert (grown([np.full((16, 16), 7, np.uint8)], (50, 70), (), rng()) == 7).all()


@pytest.mark.parametrize(("size", "there"), [((4, 4), True), ((5, 6), True), ((6, 6), False)])
def test_a_window_lies_inside(size, there):
    window = window_of(np.zeros((5, 6), np.uint8), size, rng())
    assert (window is not None) == there
    assert window is None or window.shape == size
