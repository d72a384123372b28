"""One file of answers as a reader sent it: what it says, and what is wrong with it.

Spreadsheets may have been there: separators, byte order marks, decimal commas and dates are taken
as they come, because an answer is a code of letters and its row has a checksum.
"""

from __future__ import annotations

import zlib
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from eval.study.design import CHOICE, GRADE
from eval.study.presentation import LETTERS
from eval.study.sealed_key import Block, Key
from histosyn.tables.cells import finite_number, plain, without_float
from histosyn.tables.table import Row, Table, read_table
from hpc.errors import DatasetError

# In the order in which the page writes them.
COLUMNS = ("study", "reader", "block", "item", "grade", "grade_code", "choice", "choice_code",
           "milliseconds", "change", "session", "rows", "answered_at", "check")  # fmt: skip
_NEEDED = tuple(name for name in COLUMNS if name not in ("grade", "choice", "answered_at"))
Labels = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a reader answered to an item, by question; `change` counts the answers of a session."""

    path: Path
    reader: str
    block: str
    item: str
    codes: Mapping[str, str]
    milliseconds: int
    change: int
    session: str
    answered_at: str


@dataclass(frozen=True, kw_only=True)
class Returned:
    """The answers of a file that can be trusted, and a sentence on each fault of the others."""

    path: Path
    answers: tuple[Answer, ...]
    faults: tuple[str, ...]


def read_returned(path: Path, key: Key, labels: Labels) -> Returned:
    """Read a file. `labels`: question -> code of an answer -> what it is called.

    Raises DatasetError if nothing in it is of use: no table, no answers, of another study.
    """
    table = read_table(path, "file of answers", set(COLUMNS))
    places = {name: place for name in COLUMNS if (place := table.index(name)) is not None}
    if missing := [name for name in _NEEDED if name not in places]:
        raise DatasetError(
            f"{path} is no file of answers: it lacks the column {missing[0]!r}. Ask for the file "
            "that the page exports, as it is."
        )
    if not table.rows:
        raise DatasetError(
            f"{path} is empty: no image was answered. Ask the reader to export again."
        )
    return _Reading(path, key, labels, table, places).returned()


@dataclass(frozen=True)
class _Reading:
    path: Path
    key: Key
    labels: Labels
    table: Table
    places: Mapping[str, int]

    def returned(self) -> Returned:
        """All rows; those of no use become faults."""
        rows = [(row, self._cells(row)) for row in self.table.rows]
        studies = {cells["study"] for _, cells in rows}
        if self.key.study not in studies:
            raise DatasetError(
                f"{self.path} is of another study ({min(studies)}), not of {self.key.study}. Give "
                "its own key."
            )
        blocks = {(one.reader, one.block): one for one in self.key.blocks}
        answers, faults = [], []
        for row, cells in rows:
            try:
                answers.append(self._answer(self.table.where(row), cells, blocks))
            except DatasetError as error:
                faults.append(str(error))
        kept, more = self._without_doubles(answers)
        faults += [*more, *self._missing_rows(rows)]
        return Returned(path=self.path, answers=tuple(kept), faults=tuple(faults))

    def _cells(self, row: Row) -> dict[str, str]:
        cells = {name: plain(row.cells[place]) for name, place in self.places.items()}
        return dict.fromkeys(COLUMNS, "") | cells

    def _answer(
        self, where: str, cells: Mapping[str, str], blocks: Mapping[tuple[str, str], Block]
    ) -> Answer:
        if cells["study"] != self.key.study:
            raise DatasetError(
                f"{where}: a row of another study ({cells['study']}). It is left out."
            )
        asked = blocks.get((cells["reader"], cells["block"]))
        if asked is None:
            raise DatasetError(
                f"{where}: the study has no reader {cells['reader']!r} with a block "
                f"{cells['block']!r}. The row is left out."
            )
        if cells["item"] not in {item.name for item in asked.items}:
            raise DatasetError(
                f"{where}: reader {asked.reader} was not shown an item {cells['item']!r}. The row "
                "is left out."
            )
        self._require_unedited(where, cells)
        codes = {name: cells[f"{name}_code"] for name in (GRADE, CHOICE) if cells[f"{name}_code"]}
        return Answer(
            path=self.path,
            reader=asked.reader,
            block=asked.block,
            item=cells["item"],
            codes=codes,
            milliseconds=int(_whole(cells["milliseconds"])),
            change=int(_whole(cells["change"])),
            session=cells["session"],
            answered_at=cells["answered_at"],
        )

    def _require_unedited(self, where: str, cells: Mapping[str, str]) -> None:
        facts = [cells["study"], cells["reader"], cells["block"], cells["item"],
                 cells["grade_code"], cells["choice_code"], _whole(cells["milliseconds"]),
                 _whole(cells["change"]), cells["session"]]  # fmt: skip
        edited = "" if check_letters("|".join(facts)) == cells["check"] else "a cell"
        for question, labels in self.labels.items():
            said, code = without_float(cells[question]), cells[f"{question}_code"]
            if code and code not in labels:
                edited = edited or f"the {question}"
            # What a spreadsheet makes of a grade (1-2: a date) is none of the other grades.
            if said != labels.get(code) and said in labels.values():
                edited = edited or f"the {question}"
        if edited:
            raise DatasetError(
                f"{where}: {edited} was edited after the export (item {cells['item']} of reader "
                f"{cells['reader']}). The row is left out: ask the reader to export again."
            )

    def _without_doubles(self, answers: list[Answer]) -> tuple[list[Answer], list[str]]:
        """Rows that are there twice count once; of rows that differ the later answer is kept."""
        kept: dict[tuple[str, str, str], Answer] = {}
        faults = []
        for one in answers:
            place = (one.reader, one.block, one.item)
            before = kept.get(place)
            if before is not None:
                faults.append(
                    f"{self.path}: item {one.item} of reader {one.reader} is there twice."
                )
            if before is None or one.change > before.change:
                kept[place] = one
        return list(kept.values()), faults

    def _missing_rows(self, rows: list[tuple[Row, dict[str, str]]]) -> list[str]:
        """Each row says how many the page has written."""
        found: Counter[str] = Counter()
        said: defaultdict[str, set[str]] = defaultdict(set)
        for _, cells in rows:
            found[cells["reader"]] += 1
            said[cells["reader"]].add(_whole(cells["rows"]))
        return [
            f"{self.path}: {count} rows of reader {reader}, but {next(iter(said[reader]))} were "
            "exported. Rows were deleted or added."
            for reader, count in found.items()
            if len(said[reader]) == 1 and said[reader] != {str(count)}
        ]


def check_letters(text: str) -> str:
    """CRC-32 of a text in UTF-8 as the page writes it: a letter for each hexadecimal digit."""
    return "".join(LETTERS[int(digit, 16)] for digit in f"{zlib.crc32(text.encode()):08x}")


def _whole(text: str) -> str:
    """A whole number as the page writes it, whatever a spreadsheet has made of it."""
    number = finite_number(text)
    return text if number is None or not number.is_integer() else str(int(number))
