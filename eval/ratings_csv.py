"""A ratings CSV, cell by cell.

Two forms are read, both UTF-8 with a header; `arm` is `real` or `synthetic`:

    long:  image,rater,rating[,arm]      one row a rating, columns in any order
    wide:  image[,arm],R1,R2,...         one row an image, one column a rater

Cells are separated by commas, or by semicolons or tabs, as spreadsheets write them where the comma
is the decimal mark; a number such as 1,0 is then read as 1.0. Blank rows are skipped, nothing else
is: whatever does not fit is an error that names the line.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from hpc.errors import DatasetError, InputError

ARMS = ("real", "synthetic")
FORMS = "Expected image,rater,rating[,arm] (long) or image[,arm],R1,R2,... (wide)."
_LONG_COLUMNS = frozenset({"image", "rater", "rating"})
_SEPARATORS = (",", ";", "\t")
_DECIMAL_COMMA = re.compile(r"(-?\d+),(\d+)")


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One cell of a ratings file; `text` may stand for a missing rating."""

    line: int
    arm: str | None
    image: str
    rater: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Table:
    """The cells of a ratings file; `form` is "long" or "wide"."""

    form: str
    has_arms: bool
    entries: tuple[Entry, ...]


def parse_table(path: Path, data: bytes) -> Table:
    """The cells of the file `path`, whose content is `data`; none is there twice.

    Raises `InputError` if it is not text, `DatasetError` if it is not a table of ratings.
    """
    text = _text(path, data)
    separator = _separator(text)
    lines = _lines(path, text, separator)
    _, names = next(lines, (1, []))
    header = _checked_header(path, [name.strip() for name in names])
    is_long = set(header) >= _LONG_COLUMNS
    rows = _rows(path, header, lines)
    entries = tuple(_long_entries(path, rows) if is_long else _wide_entries(rows))
    if separator != ",":
        entries = tuple(_with_decimal_point(entry) for entry in entries)
    _refuse_duplicates(path, entries)
    form = "long" if is_long else "wide"
    return Table(form=form, has_arms="arm" in header, entries=entries)


def first_repeated(names: Iterable[str]) -> str | None:
    """The first name that is there more than once, if any."""
    return next((name for name, count in Counter(names).items() if count > 1), None)


def _text(path: Path, data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"ratings: {path} is not UTF-8 text (byte {error.start}). "
            "Export the table as CSV in UTF-8, not as a workbook."
        ) from error


def _separator(text: str) -> str:
    """The one by which the first line has a column image beside others; otherwise the comma."""
    first = next((line for line in io.StringIO(text) if line.strip()), "")
    for separator in _SEPARATORS:
        names = [name.strip().strip('"') for name in first.split(separator)]
        if len(names) > 1 and "image" in names:
            return separator
    return ","


def _with_decimal_point(entry: Entry) -> Entry:
    number = _DECIMAL_COMMA.fullmatch(entry.text)
    return replace(entry, text=f"{number[1]}.{number[2]}") if number else entry


def _lines(path: Path, text: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Line number and cells of every row that isn't blank."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                yield reader.line_num, row
    except csv.Error as error:
        raise DatasetError(
            f"{path}, line {reader.line_num}: not valid CSV ({error}). Check quotes and line ends."
        ) from error


def _checked_header(path: Path, header: list[str]) -> list[str]:
    if not header:
        raise DatasetError(f"{path} is empty. {FORMS}")
    if "" in header:
        raise DatasetError(f"{path}, line 1: column {header.index('') + 1} has no name. {FORMS}")
    if repeated := first_repeated(header):
        raise DatasetError(f"{path}, line 1: two columns are named {repeated!r}. Rename one.")
    is_wide = header[0] == "image" and not {"rater", "rating"} & set(header)
    has_all = set(header) - {"arm"} == _LONG_COLUMNS
    if not has_all and (not is_wide or set(header) <= {"image", "arm"}):
        raise DatasetError(f"{path}, line 1: the header is {','.join(header)!r}. {FORMS}")
    return header


def _rows(
    path: Path, header: list[str], lines: Iterable[tuple[int, list[str]]]
) -> Iterator[tuple[int, dict[str, str]]]:
    for line, cells in lines:
        if len(cells) != len(header):
            raise DatasetError(
                f"{path}, line {line}: {len(cells)} cells under {len(header)} columns. "
                "Is the line cut off, or a separator not quoted?"
            )
        row = {name: cell.strip() for name, cell in zip(header, cells, strict=True)}
        if not row["image"]:
            raise DatasetError(f"{path}, line {line}: no image is named. Fill the cell.")
        if "arm" in row and row["arm"] not in ARMS:
            raise DatasetError(
                f"{path}, line {line}: the arm is {row['arm']!r}. Write real or synthetic."
            )
        yield line, row


def _long_entries(path: Path, rows: Iterable[tuple[int, dict[str, str]]]) -> Iterator[Entry]:
    for line, row in rows:
        if not row["rater"]:
            raise DatasetError(f"{path}, line {line}: no rater is named. Fill the cell.")
        arm, image, rater = row.get("arm"), row["image"], row["rater"]
        yield Entry(line=line, arm=arm, image=image, rater=rater, text=row["rating"])


def _wide_entries(rows: Iterable[tuple[int, dict[str, str]]]) -> Iterator[Entry]:
    for line, row in rows:
        image, arm = row.pop("image"), row.pop("arm", None)
        for rater, text in row.items():
            yield Entry(line=line, arm=arm, image=image, rater=rater, text=text)


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
