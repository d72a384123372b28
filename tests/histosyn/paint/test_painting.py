import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tissue import SCHEMA

from histosyn.paint.painting import LARGEST_SEED, parse_painting
from hpc.errors import InputError

MOST = 64 * 64


def parsed(labels, areas, seeds="0", size=None, schema=SCHEMA, stain=""):
    height, width = labels.shape
    body = labels.tobytes() + areas.tobytes()
    return parse_painting(body, size or f"{width}x{height}", seeds, stain, schema, MOST)


@given(st.integers(1, 40), st.integers(1, 40), st.lists(st.integers(0, LARGEST_SEED), max_size=5))
def test_what_the_page_sends_is_what_is_painted(height, width, seeds):
    random = np.random.default_rng(height * 41 + width)
    labels = random.integers(0, len(SCHEMA), (height, width)).astype(np.uint8)
    areas = random.integers(0, len(seeds) + 1, (height, width)).astype(np.uint8)
    painting = parsed(labels, areas, ",".join(map(str, [7, *seeds])))
    np.testing.assert_array_equal(painting.labels_HW, labels)
    np.testing.assert_array_equal(painting.rerolls.areas_HW, areas)
    assert (painting.seed, painting.rerolls.seeds) == (7, tuple(seeds))


def test_one_pixel_or_seed_makes_another_fingerprint():
    labels, areas = np.zeros((2, 4, 4), np.uint8)
    other = labels.copy()
    other[0, 0] = 1
    prints = {
        parsed(labels, areas).fingerprint,
        parsed(other, areas).fingerprint,
        parsed(labels, areas, "1").fingerprint,
        parsed(labels, areas, "0,1").fingerprint,
        parsed(labels, other, "0,1").fingerprint,
        parsed(labels.reshape(2, 8), areas.reshape(2, 8)).fingerprint,
    }
    assert len(prints) == 6
    assert parsed(labels, areas).fingerprint in prints


@pytest.mark.parametrize(
    ("size", "seeds", "extra", "message"),
    [
        ("4x4", "0", b"!", "33 bytes came for 4 x 4 pixels"),
        ("4", "0", b"", "must be WIDTHxHEIGHT"),
        ("4x-4", "0", b"", "must be WIDTHxHEIGHT"),
        ("0x4", "0", b"", "takes 1 to 4,096"),
        ("9999999999x1", "0", b"", "takes 1 to"),
        ("٤x4", "0", b"", "must be WIDTHxHEIGHT"),
        ("4x4", "", b"", "must be a whole number"),
        ("4x4", "-1", b"", "must be a whole number"),
        ("4x4", "4294967296", b"", "at most 4294967295"),
        ("4x4", ",".join("0" * 257), b"", "255 are possible"),
    ],
)
def test_what_does_not_fit_is_told(size, seeds, extra, message):
    with pytest.raises(InputError, match=message):
        parse_painting(bytes(32) + extra, size, seeds, "", SCHEMA, MOST)


def test_an_index_outside_the_schema_and_an_area_without_seed_are_told():
    labels, areas = np.zeros((2, 3, 5), np.uint8)
    labels[1, 2] = 200
    with pytest.raises(InputError, match="value 200 at column 2, row 1 is outside .*prostate-3"):
        parsed(labels, areas)
    with pytest.raises(InputError, match="area 200 has no seed"):
        parsed(areas, labels, "0,1")


def test_a_stain_is_seven_densities_or_left_to_the_seed():
    labels = np.zeros((4, 4), np.uint8)
    code = (0.5, 0.4, -0.01, 0.2, 0.1, 0.05, 0.02)
    drawn = parsed(labels, labels)
    chosen = parsed(labels, labels, stain=",".join(map(str, code)))
    assert drawn.stain is None and chosen.stain == code
    assert drawn.fingerprint != chosen.fingerprint
    for bad in ("1,2", "a,b,c,d,e,f,g", "nan,0,0,0,0,0,0", "1e9,0,0,0,0,0,0", "0,0,0,0,0,0,0,0"):
        with pytest.raises(InputError, match="must be 7 densities: hematoxylin"):
            parsed(labels, labels, stain=bad)
