"""Polygons against shapes whose pixels are known without any library."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("shapely", reason="shapely, of the extra `slides`, is not installed")

from histosyn.annotations.grid import Grid
from histosyn.annotations.shapes import ShapeIndex, crossing_of, inside, polygons_of, repaired


def polygon(*points, holes=()):
    rings = [np.array(points, float), *(np.array(hole, float) for hole in holes)]
    return polygons_of([rings])


def rectangle(left, top, right, bottom):
    return polygon((left, top), (right, top), (right, bottom), (left, bottom))


def circle(x, y, radius, corners=4096):
    angle = np.linspace(0, 2 * np.pi, corners, endpoint=False)
    return polygon(*np.c_[x + radius * np.cos(angle), y + radius * np.sin(angle)])


def grid(left=0.0, top=0.0, step=1.0, size=(100, 120)):
    return Grid(left=left, top=top, step=step, size=size)


@given(
    edges=st.tuples(*[st.integers(-40, 300)] * 4),
    step=st.sampled_from([1.0, 2.0, 3.0, 4.0]),
    origin=st.tuples(st.integers(0, 64), st.integers(0, 64)),
)
@settings(max_examples=60, deadline=None)
def test_a_rectangle_has_exactly_the_pixels_whose_centres_it_has(edges, step, origin):
    """A centre on an edge is in the shape at the left and upper edges, out of it at the others."""
    left, right = sorted(edges[:2])
    top, bottom = sorted(edges[2:])
    here = grid(*origin, step, (70, 90))
    x = origin[0] + (np.arange(90) + 0.5) * step
    y = origin[1] + (np.arange(70) + 0.5) * step
    expected = ((x >= left) & (x < right))[None] & ((y >= top) & (y < bottom))[:, None]

    if left == right or top == bottom:
        return
    assert np.array_equal(inside(rectangle(left, top, right, bottom), here), expected)


def test_a_circle_has_exactly_the_pixels_nearer_than_its_radius():
    here = grid(step=0.5, size=(300, 300))
    x = (np.arange(300) + 0.5) * 0.5
    distance = np.hypot(x[None] - 75.1, x[:, None] - 70.3)

    found = inside(circle(75.1, 70.3, 50, corners=20_000), here)

    # A polygon of so many corners is at no place farther from the circle than this.
    sure = np.abs(distance - 50) > 50 * (1 - np.cos(np.pi / 20_000)) + 1e-6
    assert sure.mean() > 0.999
    assert np.array_equal(found[sure], (distance < 50)[sure])


def test_a_triangle_has_exactly_half_of_a_square():
    found = inside(polygon((0, 0), (64, 0), (0, 64)), grid(size=(64, 64)))
    i, j = np.indices((64, 64))

    # The diagonal runs through centres of pixels, all of which go to one side.
    off = i + j != 63
    assert np.array_equal(found[off], (i + j < 63)[off])
    assert len(np.unique(found[~off])) == 1


def test_holes_and_several_polygons():
    outer = np.array([(10, 10), (90, 10), (90, 90), (10, 90)], float)
    hole = np.array([(30, 30), (60, 30), (60, 60), (30, 60)], float)
    island = np.array([(40, 40), (50, 40), (50, 50), (40, 50)], float)
    shape = polygons_of([[outer, hole], [island]])

    expected = np.zeros((100, 120), bool)
    expected[10:90, 10:90] = True
    expected[30:60, 30:60] = False
    expected[40:50, 40:50] = True
    assert crossing_of(shape) is None
    assert np.array_equal(inside(shape, grid()), expected)


@pytest.mark.parametrize("step", [1.0, 2.0])
def test_neighbours_share_no_pixel_and_leave_none_out(step):
    """Outlines that run through centres of pixels, and a fan of triangles round one corner."""
    here = grid(step=step, size=(64, 64))
    corners = [(0, 0), (128, 0), (128, 128), (0, 128)]
    fan = [polygon(a, b, (41, 63)) for a, b in zip(corners, corners[1:] + corners[:1], strict=True)]

    assert np.array_equal(sum(inside(shape, here).astype(int) for shape in fan), np.ones((64, 64)))


def test_windows_give_what_the_whole_gives():
    shape = repaired(circle(500, 420, 333, corners=97))
    whole = inside(shape, grid(step=2.5, size=(400, 400)))

    for row, column in ((0, 0), (1, 1), (3, 2)):
        part = inside(shape, grid(column * 250.0, row * 250.0, 2.5, (100, 100)))
        rows, columns = slice(row * 100, row * 100 + 100), slice(column * 100, column * 100 + 100)
        assert np.array_equal(part, whole[rows, columns])


def test_what_crosses_itself_is_told_with_its_place_and_repaired():
    bow = polygon((0, 0), (10, 10), (10, 0), (0, 10))

    assert crossing_of(bow) == "Self-intersection at 5, 5"
    assert repaired(bow).area == 50
    assert inside(repaired(bow), grid(size=(10, 10))).sum() == pytest.approx(50, abs=10)


def test_a_loop_over_itself_encloses_all_of_it():
    loop = polygon((0, 0), (10, 0), (10, 10), (4, 10), (4, 4), (14, 4), (14, 8), (2, 8), (0, 10))

    assert repaired(loop).area == 110


@pytest.mark.parametrize(
    "points", [[], [(1, 1)], [(1, 1), (2, 2)], [(1, 1), (2, 2), (1, 1)]], ids=len
)
def test_too_few_corners_are_no_shape(points):
    assert polygons_of([[np.array(points, float).reshape(-1, 2)]]) is None


def test_three_points_in_a_row_have_no_area():
    assert repaired(polygon((0, 0), (5, 5), (9, 9))) is None


def test_shapes_are_found_in_their_order():
    index = ShapeIndex([rectangle(0, 0, 9, 9), rectangle(50, 50, 60, 60), rectangle(5, 5, 70, 70)])

    assert index.touching((4, 4, 8, 8)) == [0, 2]
    assert index.touching((55, 55, 56, 56)) == [1, 2]
    assert index.touching((200, 200, 300, 300)) == []
    assert ShapeIndex([]).touching((0, 0, 1, 1)) == []


def test_one_column_of_pixels():
    assert inside(rectangle(0, 0, 1, 50), grid()).sum() == 50
