"""Finding the columns of a table of ratings: image, arm, and which of the others are readers.

An unknown column is never taken for a reader in silence: κ of two readers and the number of the
patient would be that of three readers who disagree. Columns whose names say that they are something
else are left aside and named; one whose values are not of the others' scale is refused, until the
readers are named.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from eval.agreement.ratings.rating_cells import canonical_category, is_number
from histosyn.tables.cells import is_missing
from histosyn.tables.columns import called_otherwise, did_you_mean, is_no_reader
from histosyn.tables.table import Table
from hpc.errors import DatasetError, InputError

ARMS = ("real", "synthetic")
FORMS = "Expected image,rater,rating[,arm] (long) or image[,arm],R1,R2,... (wide)."
KNOWN = frozenset({"image", "rater", "rating", "arm"})
_NAME_THEM = "If it is a reader, name all readers with --raters; if not, delete the column"
_ARM_WORDS = frozenset({*ARMS, "fake", "generated", "synth"})
# A column is suspected from so many different values that no other column has, in such a share of
# its cells, where two others or more hardly have any.
_OWN_VALUES, _OWN_SHARE, _OTHERS_SHARE = 3, 0.25, 0.1
_NEARLY_ALL = 0.9
_DIGITS = re.compile("[0-9]+")
_LAST_LETTER = re.compile(r"(^|[ _.-])[a-z]$")
_MANY_CELLS = 10


@dataclass(frozen=True, kw_only=True)
class ColumnLayout:
    """Column numbers: `rater` and `rating` of a long table, `readers` of a wide one."""

    image: int
    arm: int | None
    rater: int | None = None
    rating: int | None = None
    readers: Mapping[str, int] = field(default_factory=dict)

    @property
    def form(self) -> str:
        """Long or wide."""
        return "wide" if self.readers else "long"

    def left_aside(self, table: Table) -> tuple[str, ...]:
        """The columns that are not read."""
        read = {self.image, self.arm, self.rater, self.rating, *self.readers.values()}
        return tuple(name for at, name in enumerate(table.columns) if at not in read)


def find_columns(
    table: Table, raters: Sequence[str] | None, declared: Collection[str] | None
) -> ColumnLayout:
    """What is where, in either form; `raters` names the readers of a wide table.

    Without it, columns of a wide table are readers unless their names say that they are not; with
    a `declared` scale whatever does not fit is found when it is read. Raises DatasetError for other
    headers, and for a column that is of another scale than the rest, InputError for a rater who is
    not there.
    """
    at = {name: place for name in KNOWN if (place := table.index(name)) is not None}
    others = {name: place for place, name in enumerate(table.columns) if place not in at.values()}
    if "arm" not in at:
        _refuse_hidden_arms(table, others)
    if at.keys() >= {"image", "rater", "rating"}:
        return ColumnLayout(
            image=at["image"], arm=at.get("arm"), rater=at["rater"], rating=at["rating"]
        )
    wanted = [name for name in ("image", "rater", "rating") if name not in at]
    if "image" in wanted or len(wanted) == 1 or not others:
        raise _header_error(table, did_you_mean(others, wanted))
    if raters is not None:
        refuse_unknown(table.path, raters, others, "columns")
        readers = {name: others[name] for name in raters}
    else:
        readers = _readers(table, others, declared)
    return ColumnLayout(image=at["image"], arm=at.get("arm"), readers=readers)


def refuse_unknown(path: Path, raters: Sequence[str], found: Collection[str], what: str) -> None:
    """InputError if a reader who was named is not among those `found`."""
    for name in raters:
        if name not in found:
            raise InputError(
                f"--raters: {name!r} is not among the {what} of {path}: {', '.join(found)}. "
                "Correct it."
            )


def _readers(
    table: Table, others: Mapping[str, int], declared: Collection[str] | None
) -> dict[str, int]:
    """The columns that can be readers, by name and, as long as no scale is declared, by content."""
    if any(called_otherwise(name, ("rater", "rating")) for name in others):
        hint = did_you_mean(others, ("rater", "rating"))
        raise _header_error(table, f"{hint} Or name the columns that are readers with --raters.")
    readers = {name: at for name, at in others.items() if not is_no_reader(name)}
    if not readers:
        raise _header_error(table, "")
    if declared is None:
        cells = {
            name: [
                canonical_category(row.cells[at])
                for row in table.rows
                if not is_missing(row.cells[at])
            ]
            for name, at in readers.items()
        }
        _refuse_another_kind(table, cells)
        _refuse_own_values(table, cells)
    _refuse_another_series(table, readers)
    return readers


def _refuse_hidden_arms(table: Table, others: Mapping[str, int]) -> None:
    """Real and synthetic images would be pooled."""
    for name, at in others.items():
        said = {row.cells[at].lower() for row in table.rows} - {""}
        if called_otherwise(name, ("arm",)) or (said and said <= _ARM_WORDS):
            raise _header_error(table, f" Did you mean arm by {name!r}?")


def _refuse_another_series(table: Table, readers: Collection[str]) -> None:
    """A column called otherwise than R1 and R2, or rater_a and rater_b, or with more to its name.

    Numbers and single letters count: who names some columns so means by others something else.
    """
    series = {name: _series(name) for name in readers}
    counts = Counter(found for found in series.values() if found)
    main = next((found for found, count in counts.items() if count > 1), None)
    if main is None:
        return
    for name, found in series.items():
        if counts.get(found, 0) < 2 or (found != main and found.startswith(main)):
            like = " and ".join([other for other in series if series[other] == main][:2])
            raise DatasetError(
                f"{table.path}: column {name!r} is not called like {like}, so it seems to be no "
                f"reader. {_NAME_THEM}."
            )


def _series(name: str) -> str:
    """What names that differ by a number or a last letter alone have in common; or ""."""
    numbered = _DIGITS.sub("#", name.casefold())
    if "#" in numbered:
        return numbered
    return _LAST_LETTER.sub(r"\1@", numbered) if _LAST_LETTER.search(numbered) else ""


def _refuse_another_kind(table: Table, cells: Mapping[str, Sequence[str]]) -> None:
    """Words beside columns of numbers."""
    rated = {name: texts for name, texts in cells.items() if texts}
    numbers = [name for name, texts in rated.items() if all(map(is_number, texts))]
    words = [name for name, texts in rated.items() if not any(map(is_number, texts))]
    if numbers and words:
        raise DatasetError(
            f"{table.path}: column {words[0]!r} holds words ({rated[words[0]][0][:40]!r}), column "
            f"{numbers[0]!r} numbers, so one of them is no reader. {_NAME_THEM}."
        )


def _refuse_own_values(table: Table, cells: Mapping[str, Sequence[str]]) -> None:
    """Numbers of patients, sizes, free text: values that no other column has."""
    columns_with = Counter(text for texts in cells.values() for text in set(texts))
    own = {
        name: [text for text in texts if columns_with[text] == 1] for name, texts in cells.items()
    }
    shares = {name: len(own[name]) / max(len(texts), 1) for name, texts in cells.items()}
    if sum(share <= _OTHERS_SHARE for share in shares.values()) > 1:
        for name, share in shares.items():
            many = len(set(own[name])) >= _OWN_VALUES or share >= _NEARLY_ALL
            if len(cells[name]) >= _MANY_CELLS and share >= _OWN_SHARE and many:
                raise DatasetError(
                    f"{table.path}: column {name!r} has many values that no other column has, such "
                    f"as {own[name][0][:40]!r}, so it seems to be no reader. {_NAME_THEM}, or "
                    "declare the scale (--categories)."
                )
    elif len(cells) == 2 and all(len(texts) >= _MANY_CELLS for texts in cells.values()):
        one, other = cells
        if _apart(cells[one], cells[other]):
            raise DatasetError(
                f"{table.path}: the values of columns {one!r} and {other!r} are of two scales, so "
                f"one of them seems to be no reader. {_NAME_THEM}, or declare the scale "
                "(--categories)."
            )


def _apart(one: Sequence[str], other: Sequence[str]) -> bool:
    """Whether two columns have no value in common, and as numbers lie apart, too."""
    if set(one) & set(other):
        return False
    if not all(is_number(text) for text in (*one, *other)):
        return True
    first, second = sorted([float(text) for text in texts] for texts in (one, other))
    return max(first) < min(second)


def _header_error(table: Table, hint: str) -> DatasetError:
    return DatasetError(
        f"{table.path}, line 1: the header is {','.join(table.columns)!r}.{hint} {FORMS}"
    )
