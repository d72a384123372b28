"""Parsing the cell of a rating: a grade in canonical spelling, a number, or missing."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from histosyn.tables.cells import MISSING_WORDS, is_doubtful, plain

_NUMBER = re.compile(r"[-−]?[0-9]+(\.[0-9]*)?")


def canonical_category(text: str) -> str:
    """`text` without surrounding blanks; plain numbers in their shortest form ("1.0" is "1").

    Spreadsheets and data frames write 1.0 for 1 as soon as a column has a missing cell.
    """
    text = plain(text)
    return f"{float(text.replace('−', '-')):.15g}" if is_number(text) else text


def is_number(text: str) -> bool:
    """Whether a rating is a number."""
    return _NUMBER.fullmatch(text) is not None


def word_among_numbers(grades: Collection[str]) -> str | None:
    """A grade without a digit where most are numbers ("?", "missing", "unclear"); None without one.

    With it the scale would be sorted as text, and mean another one.
    """
    words = [grade for grade in grades if not any(letter.isdecimal() for letter in grade)]
    numbers = sum(map(is_number, grades))
    return min(words) if words and numbers > len(words) else None


def says_nothing(text: str) -> bool:
    """Whether a cell is a missing rating, whatever the scale is (unless that declares the word)."""
    return text.lower() in MISSING_WORDS


def doubtful_grade(texts: Iterable[str]) -> str | None:
    """A word among ratings that may be a grade or a missing rating; None if that is clear.

    Beside numbers it is a missing one. Beside words (none, mild, severe) only the declared scale
    tells.
    """
    said = [text for text in texts if not says_nothing(text)]
    doubtful = next((text for text in said if is_doubtful(text)), None)
    beside = [text for text in said if not is_doubtful(text)]
    return None if beside and all(map(is_number, beside)) else doubtful
