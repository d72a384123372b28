"""Text for people can be printed everywhere, and a terminal obeys nothing in it."""

import io
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpc.terminal_text import ERRORS, readable

ENCODINGS = ("utf-8", "latin-1", "ascii", "cp1252", "cp437", "iso8859-15", "shift_jis")
# All that Python's strings can hold, half surrogates too.
texts = st.text(st.characters(exclude_categories=()))


@given(texts, st.sampled_from(ENCODINGS))
def test_any_text_can_be_printed_in_any_encoding(text, encoding):
    shown = readable(text, encoding)

    assert shown.encode(encoding).decode(encoding) == shown
    controls = {char for char in shown if unicodedata.category(char) in ("Cc", "Cs")}
    assert controls <= {"\n", "\t"}


@given(texts, st.sampled_from(ENCODINGS))
def test_a_stream_with_our_errors_takes_any_text(text, encoding):
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors=ERRORS)

    stream.write(text)
    stream.flush()


@given(texts, st.sampled_from(ENCODINGS))
def test_what_is_readable_stays_as_it_is(text, encoding):
    once = readable(text, encoding)

    assert readable(once, encoding) == once


@pytest.mark.parametrize(
    "text, encoding, shown",
    [
        ("Drüse κ\t±2", "utf-8", "Drüse κ\t±2"),
        ("κ ± 2 × Δ …", "ascii", "kappa +/- 2 x Delta ..."),
        ("κ ± 2 ×", "latin-1", "kappa ± 2 ×"),
        ("Fréchet — 10 µm", "ascii", "Frechet - 10 um"),
        ("╭─┬╮│┃", "ascii", "+-++||"),
        ("Drüse", "ascii", "Dr\\xfcse"),
        ("腺 🔬", "latin-1", "\\u817a \\U0001f52c"),
        (b"Dr\xfcse".decode(errors="surrogateescape"), "utf-8", "Dr\\xfcse"),
        ("\ud83d", "utf-8", "\\ud83d"),
        ("a\x1b[31m\x1b]0;title\x07b\r\x9b1m\x7f", "utf-8",
         "a\\x1b[31m\\x1b]0;title\\x07b\\x0d\\x9b1m\\x7f"),
        ("gnp.\u202efdp\u2066", "utf-8", "gnp.\\u202efdp\\u2066"),
        ("two\nlines", "ascii", "two\nlines"),
    ],
)  # fmt: skip
def test_what_becomes_of_it(text, encoding, shown):
    assert readable(text, encoding) == shown


def test_other_errors_of_codecs_stay_what_they_are():
    with pytest.raises(UnicodeDecodeError):
        b"\xff".decode("utf-8", errors=ERRORS)
