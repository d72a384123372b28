import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from histosyn.doctor.colors import distinct_colors, group_colors, stray_reason
from histosyn.labels.label_map import COLOR_TOLERANCE

COLORS = st.dictionaries(st.integers(0, 0xFFFFFF), st.integers(1, 10_000), min_size=1, max_size=60)


def rgb(name):
    return np.frombuffer(bytes.fromhex(name[1:]), dtype=np.uint8).astype(int)


def gaps(names):
    colors = np.array([rgb(name) for name in names])
    differences = np.abs(colors[:, None] - colors[None]).max(axis=2)
    return differences[~np.eye(len(colors), dtype=bool)]


@given(st.integers(2, 255))
def test_offered_colours_can_be_told_apart(count):
    names = distinct_colors(count, np.zeros((0, 3), np.uint8))
    assert len(names) == count
    assert all(rgb(name).min() < 200 and rgb(name).max() > 60 for name in names), "white, black"
    assert gaps(names).min() >= 42


@given(COLORS, st.integers(2, 30))
def test_offered_colours_are_not_taken_for_those_avoided(avoided, count):
    avoid = np.array([rgb(f"#{color:06x}") for color in avoided], dtype=np.uint8)
    for name in distinct_colors(count, avoid):
        assert np.abs(avoid.astype(int) - rgb(name)).max(axis=1).min() > COLOR_TOLERANCE


@given(COLORS)
def test_groups_hold_every_colour_once_and_near(pixels_of):
    groups = group_colors(pixels_of, most=255)
    members = [bytes(c).hex() for group in groups for c in (group.color, *group.others)]
    assert sorted(members) == sorted(f"{color:06x}" for color in pixels_of)
    assert sum(group.pixels for group in groups) == sum(pixels_of.values())
    assert [group.pixels for group in groups] == sorted((g.pixels for g in groups), reverse=True)
    for group in groups:
        for other in group.others:
            assert np.abs(other.astype(int) - group.color).max() <= COLOR_TOLERANCE
    if len(groups) > 1:
        assert gaps([group.name for group in groups]).min() > COLOR_TOLERANCE


def _reason(pixels_of):
    groups = group_colors(pixels_of, most=255)
    return stray_reason(groups[-1], groups[:-1], sum(pixels_of.values()))


def test_strays_are_rare_or_between_two_others():
    assert _reason({0xFFFFFF: 1_000_000, 0xFF0000: 20}) == "too rare for a class"
    between = _reason({0xFFFFFF: 10_000, 0xFF0000: 10_000, 0xFF8080: 100})
    assert between.startswith("between #f")
    assert between.endswith("like a smoothed outline")
    assert _reason({0xFFFFFF: 10_000, 0xFF0000: 10_000, 0x00FF00: 100}) == ""
    assert _reason({0xFFFFFF: 10_000, 0xFF0000: 10_000, 0xFF8080: 5_000}) == ""
