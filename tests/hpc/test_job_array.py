"""Parts cover everything once, whatever the numbers."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpc.errors import InputError
from hpc.job_array import Part, parse_part


@given(total=st.integers(0, 10_000), count=st.integers(1, 200))
def test_parts_cover_all_items_in_order_and_evenly(total, count):
    shares = [Part(number=i + 1, count=count).share(total) for i in range(count)]

    assert [item for share in shares for item in share] == list(range(total))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


@given(count=st.integers(1, 10**6), data=st.data())
def test_a_part_is_read_as_it_is_written(count, data):
    part = Part(number=data.draw(st.integers(1, count)), count=count)

    assert parse_part(str(part)) == part


@pytest.mark.parametrize("text", ["", "3", "3/", "/3", "0/3", "4/3", "1/0", "-1/3", "1/3 ", "a/b"])
def test_what_is_no_part_is_refused(text):
    with pytest.raises(InputError):
        parse_part(text)


@given(st.text(max_size=8))
def test_any_text_is_a_part_or_an_input_error(text):
    with contextlib.suppress(InputError):
        assert str(parse_part(text)).count("/") == 1
