"""Parsing a CSV of ratings, in long or wide form.

Two forms are read, by the rules of `histosyn.tables.table`; `arm` is `real` or `synthetic`:

    long:  image,rater,rating[,arm]      one row a rating, columns in any order
    wide:  image[,arm],R1,R2,...         one row an image, one column a rater

Which columns are raters is for `columns.py` to say. Columns that are not read are named. Whatever
does not fit is an error that names the line.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from eval.agreement.ratings.columns import ARMS, KNOWN, ColumnLayout, find_columns, refuse_unknown
from histosyn.tables.cells import identifier, is_missing
from histosyn.tables.table import Row, Table, parse_table
from hpc.errors import DatasetError


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One cell of a ratings file; `text` may stand for a missing rating."""

    line: int
    arm: str | None
    image: str
    rater: str
    text: str


@dataclass(frozen=True, kw_only=True)
class RatingTable:
    """The cells of a ratings file; `form` is "long" or "wide".

    `left_aside`: columns, and raters of a long table, that are not read.
    """

    form: str
    has_arms: bool
    entries: tuple[Entry, ...]
    left_aside: tuple[str, ...]


def parse_ratings(
    path: Path,
    data: bytes,
    raters: Sequence[str] | None = None,
    declared: Collection[str] | None = None,
) -> RatingTable:
    """The cells of the file `path`, whose content is `data`; none is there twice.

    `raters`: the only ones to read; `declared`: the scale, if it is. Raises `DatasetError` if it is
    not a table of ratings, `InputError` (its parent) if a rater who is asked for is not in it.
    """
    table = parse_table(path, data, KNOWN)
    layout = find_columns(table, raters, declared)
    aside = layout.left_aside(table)
    entries = tuple(_wide(table, layout) if layout.form == "wide" else _long(table, layout))
    if raters is not None and layout.form == "long":
        entries, others = _only(path, entries, raters)
        aside += others
    _refuse_duplicates(path, entries)
    return RatingTable(
        form=layout.form,
        has_arms=layout.arm is not None,
        entries=entries,
        left_aside=aside,
    )


def first_repeated(names: Iterable[str]) -> str | None:
    """The first name that is there more than once, if any."""
    return next((name for name, count in Counter(names).items() if count > 1), None)


def _only(
    path: Path, entries: tuple[Entry, ...], raters: Sequence[str]
) -> tuple[tuple[Entry, ...], tuple[str, ...]]:
    """The entries of `raters`, and who the others are."""
    found = tuple(dict.fromkeys(entry.rater for entry in entries))
    refuse_unknown(path, raters, found, "raters")
    kept = tuple(entry for entry in entries if entry.rater in set(raters))
    return kept, tuple(name for name in found if name not in raters)


def _image_and_arm(table: Table, row: Row, layout: ColumnLayout) -> tuple[str, str | None]:
    where, image = table.where(row), row.cells[layout.image]
    if is_missing(image):
        raise DatasetError(f"{where}: no image is named{_as(image)}. Fill the cell.")
    arm = None if layout.arm is None else row.cells[layout.arm]
    if arm is not None and arm not in ARMS:
        raise DatasetError(f"{where}: the arm is {arm!r}. Write real or synthetic.")
    return identifier(image, where), arm


def _long(table: Table, layout: ColumnLayout) -> Iterator[Entry]:
    for row in table.rows:
        image, arm = _image_and_arm(table, row, layout)
        rater, text = (row.cells[at] for at in (layout.rater, layout.rating) if at is not None)
        where = table.where(row)
        if is_missing(rater):
            raise DatasetError(f"{where}: no rater is named{_as(rater)}. Fill the cell.")
        rater = identifier(rater, where)
        yield Entry(line=row.line, arm=arm, image=image, rater=rater, text=text)


def _wide(table: Table, layout: ColumnLayout) -> Iterator[Entry]:
    for row in table.rows:
        image, arm = _image_and_arm(table, row, layout)
        for rater, at in layout.readers.items():
            yield Entry(line=row.line, arm=arm, image=image, rater=rater, text=row.cells[at])


def _as(text: str) -> str:
    return f" by {text!r}" if text else ""


def _refuse_duplicates(path: Path, entries: Iterable[Entry]) -> None:
    first_line: dict[tuple[str | None, str, str], int] = {}
    for entry in entries:
        line = first_line.setdefault((entry.arm, entry.image, entry.rater), entry.line)
        if line != entry.line:
            arm = f" ({entry.arm})" if entry.arm else ""
            raise DatasetError(
                f"{path}, lines {line} and {entry.line}: image {entry.image!r}{arm} is rated twice "
                f"by rater {entry.rater!r}. Keep one of the two."
            )
