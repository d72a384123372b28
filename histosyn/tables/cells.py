"""Parsing cells of a table: missing, a number, a name; and names that are easily confused.

docs/tables.md has the rules in full.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable
from decimal import Decimal

from hpc.errors import DatasetError

# What programs write for a missing value, whatever the column holds. Compared in lower case.
MISSING_WORDS = frozenset(
    {"", "na", "n/a", "n.a.", "nan", "-nan", "nat", "<na>", "#n/a", "#n/a n/a", "#na"}
    | {"1.#ind", "-1.#ind", "1.#qnan", "-1.#qnan"}
)
# These stand for a missing value, too, but may be a grade: none, mild, severe; or -, +, ++.
DOUBTFUL_WORDS = frozenset({"none", "null", "nil", ".", "-", "--", "–", "—", "−"})
# Nothing has one of these for its name; as a grade they may mean something.
_UNKNOWN_WORDS = frozenset(
    {"?", "??", "???", "unknown", "missing", "undefined", "not available", "n/d", "n.d.", "tbd"}
)
_FAILED_FORMULAS = frozenset({"#ref!", "#value!", "#div/0!", "#name?", "#num!", "#null!"})

_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
_DECIMAL_COMMA = re.compile(r"([+-]?[0-9]+),([0-9]+)")
_WHOLE = re.compile(r"([+-]?[0-9]+)\.0*")
_PLAIN_NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?")
_ROUNDED = re.compile(r"[0-9](\.[0-9]+)?[eE]\+[0-9]+")
_INVISIBLE = dict.fromkeys(map(ord, "\u200b\u200c\u200d\u2060\ufeff\u00ad"))
_JOINTS = re.compile(r"[ _-]+")


def is_missing(text: str) -> bool:
    """Whether a cell says nothing, also by one of the doubtful words."""
    return text.lower() in MISSING_WORDS or is_doubtful(text)


def is_unknown(text: str) -> bool:
    """Whether a cell that should name something says that nobody knows what."""
    return text.lower() in _UNKNOWN_WORDS


def is_doubtful(text: str) -> bool:
    """Whether a cell says nothing, or a grade: which, only the rest of its column tells."""
    return text.lower() in DOUBTFUL_WORDS


def plain(text: str) -> str:
    """`text` in Unicode's composed form (NFC), every kind of blank as one " ", none at the ends."""
    if not text.isascii():
        text = unicodedata.normalize("NFC", text.translate(_INVISIBLE))
    return " ".join(text.split())


def with_decimal_point(text: str) -> str:
    """`text`, but 0,5 as 0.5; anything other than one number with a decimal comma as it is."""
    number = _DECIMAL_COMMA.fullmatch(text)
    return f"{number[1]}.{number[2]}" if number else text


def finite_number(text: str) -> float | None:
    """The number that a cell is, in digits; None if it is none, or beyond all floats."""
    number = float(text) if _NUMBER.fullmatch(text) else math.nan
    return number if math.isfinite(number) else None


def identifier(text: str, where: str) -> str:
    """The name that a cell gives to something: of `1` and `1.0` the first, which both mean.

    Raises DatasetError, beginning with `where`, for what cannot be a name: a number that a
    spreadsheet has rounded, a formula that failed, a line break.
    """
    if not text.isprintable() and any(unicodedata.category(letter) == "Cc" for letter in text):
        raise DatasetError(
            f"{where}: the cell {text[:40]!r} has a line break or a control character in it. Is a "
            "quote missing before it?"
        )
    name = plain(text)
    if name.lower() in _FAILED_FORMULAS:
        raise DatasetError(f"{where}: {name} is a formula that failed. Write the value itself.")
    if _ROUNDED.fullmatch(name):
        raise DatasetError(
            f"{where}: {name} is a number that a spreadsheet has rounded, so that others look the "
            "same. Format the column as text and export it again."
        )
    return without_float(name)


def without_float(name: str) -> str:
    """`1` for `1.0`, as data frames write a column of numbers in which one was missing."""
    whole = _WHOLE.fullmatch(name)
    return whole[1] if whole else name


def refuse_equal_numbers(names: Iterable[str], where: str) -> None:
    """DatasetError, beginning with `where`, if two of different names are one number: 01 and 1."""
    if pair := equal_numbers(names):
        raise DatasetError(
            f"{where}: {pair[0]!r} and {pair[1]!r} are one number, but perhaps not one name. Write "
            "them alike if they are one, and with a letter before them if they are not."
        )


def equal_numbers(names: Iterable[str]) -> tuple[str, str] | None:
    """Two different names that are the same number, such as 01 and 1, or 1.10 and 1.1, if any."""
    first: dict[Decimal, str] = {}
    for name in names:
        if _PLAIN_NUMBER.fullmatch(name):
            before = first.setdefault(Decimal(name), name)
            if before != name:
                return before, name
    return None


def look_alike(names: Iterable[str]) -> list[tuple[str, str]]:
    """Pairs of different names that differ only in case, or in which of " ", "_" and "-" joins."""
    first: dict[str, str] = {}
    pairs = []
    for name in names:
        before = first.setdefault(_JOINTS.sub("-", name.casefold()), name)
        if before != name:
            pairs.append((before, name))
    return pairs
