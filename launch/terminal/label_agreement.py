"""The agreement of label maps as tables; what is left out for room is in the result's JSON."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from launch.terminal.console import console
from launch.terminal.footnotes import Notes
from launch.terminal.numbers import interval_text, plain_table, value_text

if TYPE_CHECKING:
    from eval.statistics.result import Number, Result

_CLASS_COLUMNS = {"dice": "Dice", "iou": "IoU", "class_kappa": "κ against the rest"}


def show_labels(result: Result) -> None:
    """Print tables of all raters and of each pair, notes, and warnings."""
    out, notes = console(), Notes()
    everyone = [n for n in result.numbers if n.details["compared"] == "all raters"]
    pairs = [n for n in result.numbers if n.details["compared"] != "all raters"]
    out.print(_overall(f"\nall raters: {len(everyone[0].details['raters'])}", everyone, notes))
    for raters, group in groupby(pairs, key=lambda number: number.details["raters"]):
        numbers = list(group)
        out.print(_overall(f"\n{raters[0]} and {raters[1]}", numbers, notes))
        out.print(_classes(numbers, notes))
    out.print()
    for line in notes.lines():
        out.print(line)
    settings = result.settings
    out.print(
        f"Intervals: {settings['interval_level']:.0%}, percentile bootstrap over "
        f"{settings['resampled']} ({settings['units']}), {settings['replicates']} replicates, "
        f"seed {settings['seed']}. Pixels of all tiles are counted together; "
        f"{settings['missing_labels']}."
    )
    for warning in result.warnings:
        out.print(Text("warning: ", style="yellow").append(warning, style="default"))


def _overall(title: str, numbers: Sequence[Number], notes: Notes) -> Table:
    table = plain_table(title)
    table.add_column("statistic", no_wrap=True)
    table.add_column("value", justify="right", no_wrap=True)
    table.add_column("interval", no_wrap=True)
    table.add_column("tiles", justify="right", no_wrap=True)
    table.add_column("method")
    table.add_column("", no_wrap=True)
    for number in numbers:
        class_name = number.details["class"]
        if class_name is not None and number.details["compared"] != "all raters":
            continue
        table.add_row(
            number.name if class_name is None else f"  {class_name} against the rest",
            value_text(number.value),
            interval_text(number.interval),
            str(number.n),
            number.method,
            notes.mark(number.reason or number.details["interval_note"]),
        )
    return table


def _classes(numbers: Sequence[Number], notes: Notes) -> Table:
    table = plain_table("")
    table.add_column("class", overflow="fold")
    for column in _CLASS_COLUMNS.values():
        table.add_column(column, no_wrap=True)
    by_class: dict[str, dict[str, Number]] = {}
    for number in numbers:
        if number.details["class"] is not None:
            by_class.setdefault(number.details["class"], {})[number.name] = number
    for class_name, named in by_class.items():
        table.add_row(class_name, *(_cell(named[name], notes) for name in _CLASS_COLUMNS))
    return table


def _cell(number: Number, notes: Notes) -> str:
    if number.interval is None:
        note = notes.mark(number.reason or number.details["interval_note"])
        return f"{value_text(number.value)} {note}".strip()
    return f"{value_text(number.value)} ({interval_text(number.interval)})"
