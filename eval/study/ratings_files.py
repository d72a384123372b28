"""Tables of a study that was read: what `eval agreement` and `eval discrimination` take."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from eval.study.design import CHOICE, FIRST, GRADE
from eval.study.merged_answers import Merged
from eval.study.returned_file import Answer, Labels
from eval.study.sealed_key import Key, KeyItem
from hpc.files import write_text

GRADES, CHOICES, PAIRS, REPEATS, PATIENTS, ANSWERS = (
    "grades", "discrimination", "pairs", "repeats", "patients.csv", "answers.csv"
)  # fmt: skip
AGAIN = "-again"
_BESIDE = ("block", "seconds", "patient")


@dataclass(frozen=True, kw_only=True)
class _Given:
    """An answer with what the key knows of it."""

    item: KeyItem
    answer: Answer
    place: int

    @property
    def image(self) -> str:
        """The name of the tile, or of both of a pair: the real one first."""
        tiles = sorted(self.item.tiles, key=lambda tile: tile.arm)
        return " | ".join(tile.name for tile in tiles)

    @property
    def beside(self) -> list[object]:
        """Block, seconds, patient."""
        patients = {tile.patient or "" for tile in self.item.tiles}
        patient = patients.pop() if len(patients) == 1 else ""
        return [self.answer.block, f"{self.answer.milliseconds / 1000:.3f}", patient]


def write_ratings(folder: Path, key: Key, merged: Merged, labels: Labels) -> list[str]:
    """Write the tables into `folder`; their names. Practice is in the table of all answers only."""
    tables: dict[str, list[list[object]]] = {ANSWERS: _all_answers(key, merged, labels)}
    counted = [one for one in _given(key, merged) if not one.item.practice]
    pairs = key.design["task"] == PAIRS
    for block in dict.fromkeys(one.block for one in key.blocks):
        ending = "" if block == FIRST else f"-{block}"
        mine = [one for one in counted if one.answer.block == block]
        firsts = [one for one in mine if not one.item.repeat]
        for question, name in ((GRADE, GRADES), (CHOICE, PAIRS if pairs else CHOICES)):
            rated = [one for one in firsts if question in one.answer.codes]
            if rated:
                rows = _pairs(rated, labels) if pairs else _rated(rated, question, labels)
                tables[f"{name}{ending}.csv"] = rows
            again = list(_repeats(mine, question, labels))
            if again:
                header: list[object] = ["image", "rater", "rating", *([] if pairs else ["arm"])]
                tables[f"{REPEATS}-{name}{ending}.csv"] = [header, *again]
    if patients := _patients(key):
        lines: list[list[object]] = [[tile, patient] for tile, patient in sorted(patients.items())]
        tables[PATIENTS] = [["tile", "patient"], *lines]
    for name, rows in tables.items():
        write_text(folder / name, _csv(rows))
    return list(tables)


def _given(key: Key, merged: Merged) -> Iterator[_Given]:
    for block in key.blocks:
        for place, item in enumerate(block.items):
            answer = merged.answers.get((block.reader, block.block, item.name))
            if answer is not None:
                yield _Given(item=item, answer=answer, place=place)


def _rating(given: _Given, question: str, labels: Labels) -> object:
    """The grade; or how sure, from 1, that the image is synthetic (of a pair: the right one)."""
    code = given.answer.codes[question]
    return labels[question][code] if question == GRADE else 1 + list(labels[question]).index(code)


def _rated(rated: Sequence[_Given], question: str, labels: Labels) -> list[list[object]]:
    beside = _BESIDE if question == CHOICE else ()
    rows: list[list[object]] = [["image", "rater", "rating", "arm", *beside]]
    for one in rated:
        first = [
            one.image,
            one.answer.reader,
            _rating(one, question, labels),
            one.item.tiles[0].arm,
        ]
        rows.append([*first, *(one.beside if beside else [])])
    return rows


def _pairs(rated: Sequence[_Given], labels: Labels) -> list[list[object]]:
    rows: list[list[object]] = [["pair", "rater", "rating", "synthetic", *_BESIDE]]
    for one in rated:
        side = ("left", "right")[[tile.arm for tile in one.item.tiles].index("synthetic")]
        rows.append([one.image, one.answer.reader, _rating(one, CHOICE, labels), side, *one.beside])
    return rows


def _repeats(mine: Sequence[_Given], question: str, labels: Labels) -> Iterator[list[object]]:
    """What was rated twice, by a reader and by the same reader again."""
    known = [one for one in mine if question in one.answer.codes]
    first = {(one.answer.reader, one.image): one for one in known if not one.item.repeat}
    for again in known:
        before = first.get((again.answer.reader, again.image))
        if again.item.repeat and before is not None:
            for one, ending in ((before, ""), (again, AGAIN)):
                rating: object = _rating(one, question, labels)
                if len(one.item.tiles) == 2:
                    # Sides may have changed: what was chosen is what counts.
                    levels = len(labels[question]) // 2
                    chosen = one.item.tiles[int(str(rating)) > levels].arm
                    yield [one.image, one.answer.reader + ending, chosen]
                    continue
                yield [one.image, one.answer.reader + ending, rating, one.item.tiles[0].arm]


def _patients(key: Key) -> dict[str, str]:
    """The patient of each tile, unless tiles of one name have two."""
    found: dict[str, str] = {}
    for block in key.blocks:
        for item in block.items:
            for tile in item.tiles:
                if (
                    tile.patient is None
                    or found.setdefault(tile.name, tile.patient) != tile.patient
                ):
                    return {}
    return found


def _all_answers(key: Key, merged: Merged, labels: Labels) -> list[list[object]]:
    rows: list[list[object]] = [
        ["reader", "block", "place", "item", "practice", "repeat", "image", "arm", "class",
         "patient", "grade", "choice", "seconds", "session", "change", "answered_at", "file"]
    ]  # fmt: skip
    for one in _given(key, merged):
        answer, tiles = one.answer, one.item.tiles
        said = [labels[name].get(answer.codes.get(name, ""), "") if name in labels else ""
                for name in (GRADE, CHOICE)]  # fmt: skip
        rows.append(
            [answer.reader, answer.block, one.place + 1, one.item.name, *_yes(one.item),
             " | ".join(tile.name for tile in tiles), " | ".join(tile.arm for tile in tiles),
             tiles[0].tissue, one.beside[2], *said, one.beside[1], answer.session, answer.change,
             answer.answered_at, answer.path.name]
        )  # fmt: skip
    return rows


def _yes(item: KeyItem) -> list[object]:
    return ["yes" if one else "no" for one in (item.practice, item.repeat)]


def _csv(rows: Sequence[Sequence[object]]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    return buffer.getvalue()
