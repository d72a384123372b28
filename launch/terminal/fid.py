"""The tables of `histosyn eval fid`: numbers beside interval and floor, and how they were made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from launch.terminal.console import console
from launch.terminal.footnotes import Notes

if TYPE_CHECKING:
    from eval.statistics.result import Number, Result

_FLOOR = "real_versus_real_floor"
_SPECTRA = ("spectrum_", "weave_")
_TITLES = {
    "frechet_distance": "Fréchet distance",
    "kid": "kernel distance (KID)",
    "precision": "precision (k = 3)",
    "recall": "recall (k = 3)",
    "density": "density (k = 5)",
    "coverage": "coverage (k = 5)",
}


def show(result: Result) -> None:
    """Print a result of `eval fid`."""
    out = console()
    notes = Notes()
    out.print(_numbers(result, notes))
    if any(n.name.startswith(_SPECTRA) and n.value is not None for n in result.numbers):
        out.print(_spectra(result, notes))
    for line in notes.lines():
        out.print(Text(line))
    out.print(_facts(result))
    for text in dict.fromkeys(f"{reason}" for reason in _reasons(result)):
        out.print(Text("undefined: ", style="yellow").append(text, style="default"))
    for warning in result.warnings:
        out.print(Text("warning: ", style="yellow").append(warning, style="default"))


def _numbers(result: Result, notes: Notes) -> Table:
    by_name = {number.name: number for number in result.numbers}
    table = Table(title="Real and synthetic tiles", title_justify="left")
    table.add_column("", no_wrap=True)
    table.add_column("real to synthetic", justify="right")
    table.add_column("95 % interval", justify="right")
    table.add_column("real to real (floor)", justify="right")
    table.add_column("of all splits", justify="right")
    for name, title in _TITLES.items():
        number = by_name[name]
        floor = by_name[_FLOOR if name == "frechet_distance" else f"{name}_{_FLOOR}"]
        value = Text(_value(number), style="bold")
        table.add_row(title, value, _interval(number, notes), _value(floor), _range(floor))
    return table


def _spectra(result: Result, notes: Notes) -> Table:
    """Synthetic over real: 1 is wanted; real halves among themselves show how nearly."""
    by_name = {number.name: number for number in result.numbers}
    table = Table(title="Energy by frequency, synthetic over real", title_justify="left")
    table.add_column("", no_wrap=True)
    table.add_column("ratio", justify="right")
    table.add_column("95 % interval", justify="right")
    table.add_column("real halves", justify="right")
    for name, number in by_name.items():
        if not name.startswith(_SPECTRA) or name.endswith(_FLOOR):
            continue
        kind, _, which = name.partition("_")
        title = f"{which} cycles a pixel" if kind == "spectrum" else f"weave, period {which}"
        floor = by_name.get(f"{name}_{_FLOOR}")
        between = "-" if floor is None else _range(floor)
        value = Text(_value(number), style="bold")
        table.add_row(title, value, _interval(number, notes), between)
    return table


def _facts(result: Result) -> Table:
    table = Table(show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for role, side in result.inputs.items():
        table.add_row(role, _side_text(side))
    settings = result.settings
    if settings["extractor"] is not None:
        sha256 = settings["weights_sha256"][:12]
        table.add_row("extractor", f"{settings['extractor']}, weights sha256 {sha256}…")
        table.add_row("preprocessing", settings["preprocessing"])
    floor = next(number for number in result.numbers if number.name == _FLOOR)
    if floor.value is not None:
        groups = "" if settings["groups"] is None else f", {settings['groups']} groups kept whole"
        table.add_row("floor", f"median of random halves, {floor.n} tiles each{groups}")
    return table


def _value(number: Number) -> str:
    return "undefined" if number.value is None else f"{number.value:.4g}"


def _range(floor: Number) -> str:
    values = floor.details.get("values")
    return f"{min(values):.4g} to {max(values):.4g}" if values else "-"


def _interval(number: Number, notes: Notes) -> str:
    if number.interval is None:
        return f"- {notes.mark(number.details.get('interval_note'))}".strip()
    low, high = number.interval
    return f"{low:.4g} to {high:.4g}"


def _reasons(result: Result) -> list[str]:
    return [number.reason for number in result.numbers if number.reason is not None]


def _side_text(side: dict[str, Any]) -> str:
    if side["n"] is None:
        return f"{side['name']}: statistics, number of tiles unknown"
    height, width = side["tile_size"]
    prepared = "" if side["preparation"] == "none" else f" ({side['preparation']})"
    return f"{side['name']}: {side['n']} tiles of {width}x{height} pixels{prepared}"
