"""Numbers as people read them."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.report.numbers import digits, interval, words


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.02543, "0.0254"), (12.34, "12.3"), (1234.4, "1,234"), (-0.000041, "−4.1 × 10⁻⁵"), (0, "0"),
     (1, "1.00"), (None, "–"), (float("nan"), "–"), (0.9999, "1.000"), (2.5e6, "2.5 × 10⁶")],
)  # fmt: skip
def test_three_digits(value, text):
    assert digits(value) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_no_number_but_zero_reads_as_zero_and_none_has_a_minus_before_zero(value):
    text = digits(value)
    assert (text == "0") == (value == 0)
    assert not re.fullmatch(r"−?0(\.0*)?", text) or value == 0
    assert "e" not in text


def test_intervals_have_the_places_of_their_wider_end():
    assert interval((0.04, 1.234)) == "0.04 to 1.23"
    assert interval((-0.0001, 0.0002)) == "−1.0 × 10⁻⁴ to 2.0 × 10⁻⁴"
    assert interval(None) == ""
    assert interval((0.0, 0.0)) == "0 to 0"


def test_coefficients_are_called_as_in_papers():
    assert words("krippendorff_alpha_ordinal") == "Krippendorff’s α ordinal"
    assert words("frechet_distance") == "Fréchet distance"
    assert words("distance_hematoxylin_in_stroma") == "distance hematoxylin in stroma"
