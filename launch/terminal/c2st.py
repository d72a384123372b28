"""The table of `histosyn eval c2st`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from launch.terminal.console import console
from launch.terminal.footnotes import Notes
from launch.terminal.numbers import interval_text, value_text

if TYPE_CHECKING:
    from eval.statistics.result import Number, Result

_NAMED = 3


def show(result: Result) -> None:
    """Print a result of `eval c2st`."""
    table, notes = Table(title="Told apart by a classifier (AUC)", title_justify="left"), Notes()
    for title in ("", "AUC", "95 % interval", "features used most"):
        table.add_column(title, overflow="fold")
    for number in result.numbers:
        table.add_row(
            title_of(number.name), _value(number), _interval(number, notes), _used(number)
        )
    out = console()
    out.print(table)
    for line in notes.lines():
        out.print(Text(line))
    for role, side in result.inputs.items():
        out.print(Text(f"{role}: {_side_text(side)}"))
    settings = result.settings
    out.print(Text(f"extractor: {settings['extractor']}, weights sha256 "
                   f"{settings['weights_sha256'][:12]}…"))  # fmt: skip
    for text in dict.fromkeys(n.reason for n in result.numbers if n.reason is not None):
        out.print(Text("undefined: ", style="yellow").append(text, style="default"))
    for warning in result.warnings:
        out.print(Text("warning: ", style="yellow").append(warning, style="default"))


def title_of(name: str) -> str:
    """Such as "network, scale 1/2" for "auc_network_scale_2"."""
    _, kind, _, scale = name.split("_")
    return f"{kind}, scale {'1' if scale == '1' else f'1/{scale}'}"


def _value(number: Number) -> Text:
    text = "undefined" if number.value is None else value_text(number.value)
    return Text(text, style="bold")


def _interval(number: Number, notes: Notes) -> str:
    text = interval_text(number.interval)
    return f"{text} {notes.mark(number.details.get('interval_note'))}".strip()


def _used(number: Number) -> str:
    return "; ".join(each["feature"] for each in number.details.get("features", ())[:_NAMED])


def _side_text(side: dict[str, Any]) -> str:
    height, width = side["tile_size"]
    prepared = "" if side["preparation"] == "none" else f" ({side['preparation']})"
    return f"{side['name']}: {side['n']} tiles of {width}x{height} pixels{prepared}"
