"""Boxes: parts of grids."""

from hypothesis import given
from hypothesis import strategies as st

from histosyn.networks.boxes import Box, sampled


@st.composite
def boxes_in_grids(draw):
    size = draw(st.integers(1, 60)), draw(st.integers(1, 60))
    top, left = (draw(st.integers(0, side - 1)) for side in size)
    bottom, right = draw(st.integers(top + 1, size[0])), draw(st.integers(left + 1, size[1]))
    return Box(top=top, bottom=bottom, left=left, right=right), size


@given(boxes_in_grids(), st.integers(1, 30))
def test_a_box_with_more_cells_holds_the_box_and_stays_in_the_grid(case, side):
    box, size = case
    more = box.with_cells(side, size)
    assert 0 <= more.top <= box.top
    assert box.bottom <= more.bottom <= size[0]
    assert 0 <= more.left <= box.left
    assert box.right <= more.right <= size[1]
    cells = (more.bottom - more.top) * (more.right - more.left)
    assert cells >= min(side**2, size[0] * size[1])


def test_a_box_of_enough_cells_stays_as_it_is():
    box = Box(top=3, bottom=33, left=5, right=35)
    assert box.with_cells(30, (100, 100)) == box


def test_a_small_grid_is_sampled_whole_and_a_large_one_from_end_to_end():
    assert sampled((512, 512)) == [Box(top=0, bottom=512, left=0, right=512)]
    found = sampled((2000, 600))
    assert len(found) == 6
    assert {box.bottom - box.top for box in found} == {512}
    assert (min(box.top for box in found), max(box.bottom for box in found)) == (0, 2000)
    assert (min(box.left for box in found), max(box.right for box in found)) == (0, 600)


def test_a_narrow_grid_is_sampled_in_its_whole_width():
    assert {(box.left, box.right) for box in sampled((100_000, 40))} == {(0, 40)}
