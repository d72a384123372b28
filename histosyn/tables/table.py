"""The reader of users' CSV tables: groups, splits, resolutions, ratings.

A table is CSV in UTF-8 with a header; cells are separated by commas, or by semicolons or tabs, as
spreadsheets write them where the comma is the decimal mark. Empty rows, and empty columns without a
name, are left out. Whatever else does not fit is an error that names the line. What the columns are
called, and which may be missing, is for those to say who ask for the table; docs/tables.md has the
rules in full.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from histosyn.tables.cells import plain, with_decimal_point, without_float
from hpc.errors import DatasetError
from hpc.files import require_file

_SEPARATORS = (",", ";", "\t")
_NAMES = {",": "commas", ";": "semicolons", "\t": "tabs"}
# What a cell of a spreadsheet holds at most: longer ones are a quote that was never closed.
_MOST_LETTERS = 32_767
_TELLS = re.compile(r'"?sep=(.)"?', re.IGNORECASE)
_AS_CSV = "Save the table as CSV in UTF-8 (in Excel: CSV UTF-8)."
_OTHER_FILES = (
    (b"PK\x03\x04", "a workbook (Excel, Numbers, LibreOffice) or another zip archive"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook"),
    (b"\xff\xfe", "UTF-16 text, as Excel's 'Unicode text' is"),
    (b"\xfe\xff", "UTF-16 text, as Excel's 'Unicode text' is"),
    (b"\x1f\x8b", "compressed (gzip)"),
    (b"PAR1", "a Parquet file"),
    (b"%PDF", "a PDF"),
    (b"{\\rtf", "a text document (RTF)"),
    (b"<", "a web page or XML"),
)


@dataclass(frozen=True, slots=True)
class Row:
    """A row: its line in the file, and a cell (without blanks at its ends) for each column."""

    line: int
    cells: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table as read: `columns` have different names; `rows` are not empty."""

    path: Path
    columns: tuple[str, ...]
    rows: tuple[Row, ...]

    def index(self, name: str) -> int | None:
        """Where the column `name` is, whatever its case; None if there is none.

        Raises DatasetError if two columns differ in case alone.
        """
        found = [
            place
            for place, column in enumerate(self.columns)
            if column.casefold() == name.casefold()
        ]
        if len(found) > 1:
            one, other = (self.columns[place] for place in found[:2])
            raise DatasetError(
                f"{self.path}: the columns {one!r} and {other!r} could both be {name}. Rename one."
            )
        return found[0] if found else None

    def where(self, row: Row) -> str:
        """The place of a row, to begin a message with."""
        return f"{self.path}, line {row.line}"


def read_table(path: Path, what: str, known: Collection[str]) -> Table:
    """Read the table `path`, which is called `what` in messages; `known` as in `parse_table`."""
    return parse_table(path, require_file(path, what).read_bytes(), known)


def parse_table(path: Path, data: bytes, known: Collection[str]) -> Table:
    """The table that `data`, the content of the file `path`, is.

    `known` are columns that it may have: the separator is the one that finds most of them. Raises
    DatasetError if it is not text or no table, always with the line.
    """
    text = _text(path, data)
    first = next((line for line in io.StringIO(text, newline=None) if line.strip()), "")
    told = _TELLS.fullmatch(first.strip())
    separator = _told(path, told[1]) if told else _found(first, known)
    records = _records(path, text, separator)
    if told:
        next(records, None)
    line, header = next(records, (1, []))
    if not header:
        raise DatasetError(f"{path} is empty. Write a header with the names of its columns.")
    # As names are read elsewhere: a reader 1.0 in the header is the reader 1 in a cell.
    names = [without_float(plain(name)) for name in header]
    columns = _columns(path, line, names)
    rows = tuple(_rows(path, columns, len(names), records, separator))
    return Table(path=path, columns=columns, rows=rows)


def _text(path: Path, data: bytes) -> str:
    for beginning, what in _OTHER_FILES:
        if data.startswith(beginning):
            raise DatasetError(f"{path} is {what}, not UTF-8 text. {_AS_CSV}")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DatasetError(
            f"{path}, line {line}: not UTF-8 text (byte {error.start}), but perhaps Latin-1 or "
            f"Windows-1252. {_AS_CSV}"
        ) from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise DatasetError(f"{path}, line {line}: a zero byte, so not UTF-8 text. {_AS_CSV}")
    return text


def _told(path: Path, separator: str) -> str:
    if separator not in _SEPARATORS:
        raise DatasetError(
            f"{path}, line 1: cells are separated by {separator!r}. Use commas, semicolons or tabs."
        )
    return separator


def _found(header: str, known: Collection[str]) -> str:
    """The separator by which a header has most of the known columns, or else most columns."""

    def found(separator: str) -> tuple[int, int]:
        try:
            cells = next(csv.reader([header], delimiter=separator, skipinitialspace=True), [])
        except csv.Error:
            # Such as a cell of megabytes: told with its line, when the rows are read.
            return 0, 0
        names = {plain(cell).casefold() for cell in cells}
        return (len(names & set(known)) if len(cells) > 1 else 0, len(cells))

    return max(_SEPARATORS, key=found)


def _records(path: Path, text: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Line number and cells of every row that isn't blank; a quoted cell may have line breaks."""
    source = io.StringIO(text, newline="")
    reader = csv.reader(source, delimiter=separator, skipinitialspace=True, strict=True)
    line = 1
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise DatasetError(
                f"{path}, line {line}: not valid CSV ({error}). Check quotes and line ends."
            ) from error
        if any(len(cell) > _MOST_LETTERS for cell in cells):
            raise DatasetError(
                f"{path}, line {line}: a cell of more than {_MOST_LETTERS} letters. Is a quote not "
                "closed?"
            )
        if any(cell.strip() for cell in cells):
            yield line, cells
        line = reader.line_num + 1


def _columns(path: Path, line: int, names: Sequence[str]) -> tuple[str, ...]:
    """The names without the empty ones at the end, as spreadsheets write them."""
    last = max((place for place, name in enumerate(names) if name), default=0)
    columns = tuple(names[: last + 1])
    for place, name in enumerate(columns):
        if not name:
            raise _nameless(path, line, place)
        if name in columns[:place]:
            raise DatasetError(
                f"{path}, line {line}: two columns are named {name!r}. Rename one, or delete it."
            )
    if len(columns) == 1 and "|" in columns[0]:
        raise DatasetError(
            f"{path}, line {line}: the header is {columns[0]!r}. Separate cells by commas, "
            "semicolons or tabs."
        )
    return columns


def _nameless(path: Path, line: int, place: int) -> DatasetError:
    return DatasetError(
        f"{path}, line {line}: column {place + 1} has no name. Name it, or delete it (if it only "
        "numbers the rows, as data frames do: write them without their index)."
    )


def _rows(
    path: Path,
    columns: tuple[str, ...],
    header_cells: int,
    records: Iterator[tuple[int, list[str]]],
    separator: str,
) -> Iterator[Row]:
    """The rows. Beyond the columns cells are empty; the header has `header_cells`, with these."""
    width = len(columns)
    for line, cells in records:
        beyond = [at for at, cell in enumerate(cells) if at >= width and cell.strip()]
        if beyond and len(cells) <= header_cells:
            raise _nameless(path, line, beyond[0])
        if len(cells) < width or beyond:
            raise DatasetError(
                f"{path}, line {line}: {len(cells)} cells under {width} columns, separated by "
                f"{_NAMES[separator]}. Put a cell that holds a separator into quotes "
                '("a, b"), and complete a line that is cut off.'
            )
        found = tuple(cell.strip() for cell in cells[:width])
        if found == columns:
            raise DatasetError(
                f"{path}, line {line}: the header once more. If files were put together, delete it."
            )
        if separator != ",":
            found = tuple(with_decimal_point(cell) for cell in found)
        yield Row(line, found)
