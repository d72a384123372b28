"""Reading ratings of real or synthetic: CSV in long form, a row an answer.

    image,rater,rating,arm[,block][,patient]          arm: real or synthetic
    pair,rater,rating,synthetic[,block][,patient]     synthetic: left or right

A rating is a place on a scale that rises from surely real (left) to surely synthetic (right).
Blocks (naive, informed) are never put together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from eval.discrimination.panel import Panel
from histosyn.tables.cells import finite_number, identifier, is_missing
from histosyn.tables.columns import did_you_mean
from histosyn.tables.table import Table, parse_table
from hpc.errors import DatasetError, InputError
from hpc.files import require_file, sha256_of_bytes

_SIDES = {"image": ("arm", {"real": False, "synthetic": True}),
          "pair": ("synthetic", {"left": False, "right": True})}  # fmt: skip
_OPTIONAL = ("block", "patient")
_KNOWN = frozenset({"image", "pair", "rater", "rating", "arm", "synthetic", *_OPTIONAL})
_ONE_BLOCK = "naive"
FORMS = "Expected image,rater,rating,arm or pair,rater,rating,synthetic, a row an answer."


@dataclass(frozen=True, kw_only=True)
class RatingsFile:
    """A file as read: its panels, block by block, and its content's hash."""

    path: Path
    sha256: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, kw_only=True)
class _Answer:
    line: int
    block: str
    image: str
    positive: bool
    rater: str
    rating: float
    patient: str


def read_panels(path: Path, scale: Sequence[str]) -> RatingsFile:
    """Read a file; `scale` has the ratings in rising order, half of them on each side.

    Raises DatasetError for what the file says, with its line.
    """
    data = require_file(path, "ratings").read_bytes()
    table = parse_table(path, data, _KNOWN)
    thing = next((name for name in _SIDES if table.index(name) is not None), None)
    needed = (thing or "image", "rater", "rating", _SIDES[thing or "image"][0])
    if missing := [name for name in needed if table.index(name) is None]:
        raise DatasetError(
            f"{path}, line 1: there is no column {missing[0]}, but {', '.join(table.columns)}."
            f"{did_you_mean(table.columns, missing)} {FORMS}"
        )
    assert thing is not None, "its column is there"
    answers = list(_answers(table, thing, {text: place + 1 for place, text in enumerate(scale)}))
    if not answers:
        raise DatasetError(f"{path} holds no rating. {FORMS}")
    middle = (len(scale) + 1) / 2
    blocks = dict.fromkeys(one.block for one in answers)
    return RatingsFile(
        path=path,
        sha256=sha256_of_bytes(data),
        panels=tuple(
            _panel(path, block, [one for one in answers if one.block == block], middle, thing)
            for block in blocks
        ),
    )


def found_scale(paths: Sequence[Path]) -> tuple[str, ...]:
    """1 to the largest rating found, which must be a whole, even number; InputError if not."""
    found: set[float] = set()
    for path in paths:
        table = parse_table(path, require_file(path, "ratings").read_bytes(), _KNOWN)
        at = table.index("rating")
        cells = [] if at is None else [row.cells[at] for row in table.rows]
        found |= {number for text in cells if (number := finite_number(text)) is not None}
    most = max(found, default=0)
    if most not in (2, 4, 6) or any(not one.is_integer() or one < 1 for one in found):
        raise InputError(
            "The scale of the ratings is not known. Declare it with --categories, from surely real "
            "to surely synthetic, such as 1,2,3,4,5,6."
        )
    return tuple(str(number) for number in range(1, int(most) + 1))


def _answers(table: Table, thing: str, place_of: Mapping[str, int]) -> list[_Answer]:
    side, kinds = _SIDES[thing]
    places = {name: table.index(name) for name in (thing, "rater", "rating", side, *_OPTIONAL)}
    found = []
    for row in table.rows:
        cells = {name: "" if at is None else row.cells[at] for name, at in places.items()}
        where = table.where(row)
        if is_missing(cells["rating"]) and cells["rating"] not in place_of:
            continue
        if cells[side] not in kinds:
            raise DatasetError(f"{where}: {side} is {cells[side]!r}. Write {' or '.join(kinds)}.")
        found.append(
            _Answer(
                line=row.line,
                block=cells["block"] or _ONE_BLOCK,
                image=_name(cells[thing], thing, where),
                positive=kinds[cells[side]],
                rater=_name(cells["rater"], "rater", where),
                rating=_place(cells["rating"], place_of, where),
                patient=cells["patient"],
            )
        )
    return found


def _name(text: str, what: str, where: str) -> str:
    if is_missing(text):
        raise DatasetError(f"{where}: no {what} is named. Fill the cell.")
    return identifier(text, where)


def _place(text: str, place_of: Mapping[str, int], where: str) -> float:
    number = finite_number(text)
    plain = str(int(number)) if number is not None and number.is_integer() else text
    if plain not in place_of:
        raise DatasetError(
            f"{where}: the rating {text!r} is none of the scale {','.join(place_of)}. Correct it, "
            "or declare the scale with --categories."
        )
    return float(place_of[plain])


def _panel(path: Path, block: str, answers: Sequence[_Answer], middle: float, thing: str) -> Panel:
    pairs = thing == "pair"
    # Of images both arms may have one of the same name; of a pair sides change with the reader.
    keys = [(one.image, not pairs and one.positive) for one in answers]
    row_of = {key: row for row, key in enumerate(dict.fromkeys(keys))}
    readers = tuple(sorted({one.rater for one in answers}))
    ratings_IR = np.full((len(row_of), len(readers)), np.nan)
    right_IR = np.zeros(ratings_IR.shape, bool)
    line_of: dict[tuple[int, int], int] = {}
    patients = [""] * len(row_of)
    for key, one in zip(keys, answers, strict=True):
        place = row_of[key], readers.index(one.rater)
        if place in line_of:
            raise DatasetError(
                f"{path}, lines {line_of[place]} and {one.line}: {thing} {one.image!r} is rated "
                f"twice by {one.rater!r} in the {block} block. Keep one of the two."
            )
        line_of[place] = one.line
        ratings_IR[place] = 2 * middle - one.rating if pairs and not one.positive else one.rating
        right_IR[place] = one.positive
        patients[place[0]] = one.patient
    return Panel(
        block=block,
        readers=readers,
        images=tuple(name for name, _ in row_of),
        positive_I=np.array([pairs or positive for _, positive in row_of]),
        ratings_IR=ratings_IR,
        middle=middle,
        pairs=pairs,
        group_I=_groups(patients),
        right_IR=right_IR if pairs else None,
    )


def _groups(patients: Sequence[str]) -> np.ndarray | None:
    """Patients by number; None unless all are known and one has several images."""
    if not all(patients) or len(set(patients)) == len(patients):
        return None
    _, numbers = np.unique(np.array(patients), return_inverse=True)
    return numbers.astype(np.int64)
