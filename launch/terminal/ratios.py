"""A table of numbers with intervals and floors, and how they were made, for plain results."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from launch.terminal.console import console
from launch.terminal.footnotes import Notes
from launch.terminal.numbers import value_text

if TYPE_CHECKING:
    from eval.statistics.result import Number, Result


def show_ratios(result: Result, title: str, sentence: str) -> None:
    """Print a result: a row for each number, then the sentence, the sides and the warnings."""
    table, notes = Table(title=title, title_justify="left"), Notes()
    floors = any("floor" in number.details for number in result.numbers)
    for column in ("", "value", "95 % interval", *(["real to real (floor)"] * floors), "n"):
        table.add_column(column, overflow="fold")
    for number in result.numbers:
        name, floor = Text(number.name.replace("_", " ")), [_floor(number)] * floors
        table.add_row(name, _value(number), _interval(number, notes), *floor, str(number.n))
    out = console()
    out.print(table)
    for line in notes.lines():
        out.print(Text(line))
    out.print(Text(sentence))
    for role, side in result.inputs.items():
        out.print(Text(f"{role.replace('_', '-')}: {_side_text(side)}"))
    if "extractor" in result.settings:
        sha256 = result.settings["weights_sha256"][:12]
        out.print(Text(f"extractor: {result.settings['extractor']}, weights sha256 {sha256}…"))
    for text in dict.fromkeys(n.reason for n in result.numbers if n.reason is not None):
        out.print(Text("undefined: ", style="yellow").append(text, style="default"))
    for warning in result.warnings:
        out.print(Text("warning: ", style="yellow").append(warning, style="default"))


def _value(number: Number) -> Text:
    return Text("undefined" if number.value is None else value_text(number.value), style="bold")


def _interval(number: Number, notes: Notes) -> str:
    note = notes.mark(number.details.get("interval_note"))
    return f"{_range(number.interval)} {note}".strip()


def _range(ends: tuple[float, float] | None) -> str:
    """Three digits: optical densities differ in the second."""
    return "" if ends is None else f"{ends[0]:z.3f} to {ends[1]:z.3f}"


def _floor(number: Number) -> str:
    floor = number.details.get("floor")
    return "" if floor is None else f"{value_text(floor['value'])} ({_range(floor['range'])})"


def _side_text(side: dict[str, Any]) -> str:
    if side.get("tile_size") is None:
        return f"{side['name']}: {side['n']} tiles"
    height, width = side["tile_size"]
    prepared = "" if side["preparation"] == "none" else f" ({side['preparation']})"
    return f"{side['name']}: {side['n']} tiles of {width}x{height} pixels{prepared}"
