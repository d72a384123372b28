"""All numbers of a result as tables: what a number is of stands beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from eval.report.claims_of_tissue import range_of
from eval.report.numbers import digits, interval, words
from eval.report.results_files import Finding
from eval.statistics.result import Number

_FLOOR = "real_versus_real_floor"
_OF = ("arm", "block", "reader", "side", "class", "real_share")
# Of pairs of readers these are shown; the JSON has all.
_OF_PAIRS = ("percent_agreement", "cohen_kappa", "cohen_kappa_linear", "cohen_kappa_quadratic")


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows of texts; the columns in `numeric` are numbers."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: tuple[int, ...]


def tables_of(one: Finding) -> list[Table]:
    """The numbers of a result; pairs of readers, which are many, in a table of their own."""
    pairs = [number for number in one.numbers
             if number.details.get("compared") not in (None, "all raters")
             and isinstance(number.details.get("raters"), (list, tuple))
             and len(number.details["raters"]) == 2]  # fmt: skip
    others = [number for number in one.numbers
              if number not in pairs and not number.name.endswith(_FLOOR)]  # fmt: skip
    arms = [number for number in others if number.details.get("arm")]
    found = [_by_arm(one, arms)] if one.kind == "agreement" and arms else [_plain(one, others)]
    return [*found, _pairs(one, pairs)] if pairs else found


def _by_arm(one: Finding, numbers: list[Number]) -> Table:
    """A row for each coefficient: real, synthetic and their difference side by side."""
    columns = list(dict.fromkeys(str(number.details["arm"]) for number in numbers))
    by_name: dict[str, dict[str, Number]] = {}
    for number in numbers:
        by_name.setdefault(number.name, {})[str(number.details["arm"])] = number
    rows = tuple(
        (words(name), *(_cell(found.get(arm)) for arm in columns),
         "; ".join(str(found[arm].n) for arm in columns if arm in found))
        for name, found in by_name.items()
    )  # fmt: skip
    return Table(caption=f"{one.file}: all readers", head=("coefficient", *columns, "n"), rows=rows,
                 numeric=tuple(range(1, len(columns) + 2)))  # fmt: skip


def _plain(one: Finding, numbers: list[Number]) -> Table:
    floors = {number.name: _floor(one, number) for number in numbers}
    has_floor, of = any(floors.values()), any(map(_subject, numbers))
    rows = []
    for number in numbers:
        cells = [words(number.name), *([_subject(number)] if of else []), digits(number.value),
                 interval(number.interval) or _why(number), str(number.n)]  # fmt: skip
        rows.append((*cells, *([floors[number.name]] if has_floor else [])))
    head = ["number", *(["of"] if of else []), "value", "interval", "n",
            *(["real to real"] if has_floor else [])]  # fmt: skip
    first = 2 if of else 1
    numeric = (first, first + 1, first + 2, *([first + 3] if has_floor else []))
    return Table(caption=f"{one.file}: {one.kind}", head=tuple(head), rows=tuple(rows),
                 numeric=numeric)  # fmt: skip


def _pairs(one: Finding, numbers: list[Number]) -> Table:
    by_pair: dict[tuple[str, str], dict[str, Number]] = {}
    for number in numbers:
        pair = " and ".join(map(str, number.details["raters"]))
        by_pair.setdefault((pair, str(number.details.get("arm") or "")), {})[number.name] = number
    names = [name for name in _OF_PAIRS if any(name in found for found in by_pair.values())]
    rows = tuple(
        (pair, arm, *(_cell(found.get(name)) for name in names),
         str(max(number.n for number in found.values())))
        for (pair, arm), found in by_pair.items()
    )  # fmt: skip
    head = ("readers", "images", *map(words, names), "n")
    return Table(caption=f"{one.file}: pairs of readers", head=head, rows=rows,
                 numeric=tuple(range(2, len(head))))  # fmt: skip


def _cell(number: Number | None) -> str:
    if number is None or number.value is None:
        return "–"
    ends = interval(number.interval)
    return f"{digits(number.value)} ({ends})" if ends else digits(number.value)


def _floor(one: Finding, number: Number) -> str:
    floor: Any = number.details.get("floor")
    if isinstance(floor, dict) and floor.get("value") is not None:
        ends = floor.get("range")
        return f"{digits(floor['value'])} ({interval((ends[0], ends[1]))})" if ends else ""
    name = _FLOOR if number.name == "frechet_distance" else f"{number.name}_{_FLOOR}"
    found = one.named(name)
    if found is None or found.value is None:
        return ""
    ends = range_of(found)
    return digits(found.value) + (f" ({interval(ends)})" if ends else "")


def _subject(number: Number) -> str:
    """What a number is of: arm, reader, class."""
    found = [number.details.get(key) for key in _OF]
    return ", ".join(str(part) for part in found if part not in (None, ""))


def _why(number: Number) -> str:
    return str(number.reason or number.details.get("interval_note") or "")
