"""The tables of `histosyn eval discrimination`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from launch.terminal.c2st import title_of
from launch.terminal.console import console
from launch.terminal.numbers import interval_text, plain_table, value_text

if TYPE_CHECKING:
    from eval.statistics.result import Number, Result

_TITLES = {"auc": "AUC", "accuracy": "accuracy", "sensitivity": "sensitivity",
           "specificity": "specificity", "dprime": "d'", "criterion": "criterion",
           "pairs": "right pairs"}  # fmt: skip
_TABLES = (("pairs",), ("auc", "accuracy", "dprime"), ("sensitivity", "specificity", "criterion"))
_CLAIMED = "naive"
_MACHINE, _MEAN = "auc_", "mean of readers"


def show(result: Result) -> None:
    """Print each block's readers, their mean and its test, then the machine and all warnings."""
    out = console()
    for block in dict.fromkeys(number.details["block"] for number in result.numbers):
        mine = [number for number in result.numbers if number.details["block"] == block]
        for names in _TABLES:
            some = [number for number in mine if number.name in names]
            if some:
                out.print(_table(block, some))
                _show_tests(out, some, result.settings["primary"])
    if agreement := result.tables["machine_agreement"]:
        out.print(_agreement_table(agreement))
    settings = result.settings
    out.print(
        f"Intervals {settings['interval_level']:.0%}. Single readers: Wilson (shares), DeLong on "
        f"the logit scale (AUC), delta method (d', criterion); exact ones are in the JSON. "
        f"{settings['pooling']}."
    )
    for reason in dict.fromkeys(n.reason for n in result.numbers if n.reason):
        out.print(Text("none: ", style="yellow").append(reason, style="default"))
    for warning in result.warnings:
        out.print(Text("warning: ", style="yellow").append(warning, style="default"))


def title_of_row(name: str) -> str:
    """Such as "network, scale 1/2, naive" for "auc_network_scale_2, naive"."""
    reader, _, block = name.partition(", ")
    return f"{title_of(reader) if reader.startswith(_MACHINE) else reader}, {block}"


def _table(block: str, numbers: list[Number]) -> Table:
    table = plain_table(f"\nReal or synthetic, {block} block")
    names = [name for name in _TITLES if any(number.name == name for number in numbers)]
    table.add_column("reader", overflow="fold")
    table.add_column("n", justify="right", no_wrap=True)
    for name in names:
        table.add_column(_TITLES[name], no_wrap=True)
    for reader in dict.fromkeys(number.details["reader"] for number in numbers):
        mine = {one.name: one for one in numbers if one.details["reader"] == reader}
        machine = next(iter(mine.values())).details["machine"]
        title = f"machine: {title_of(reader)}" if machine else reader
        cells = [_cell(mine[name]) if name in mine else "" for name in names]
        most = max(number.n for number in mine.values())
        mean = reader == _MEAN
        table.add_row(title, str(most), *cells, style="bold" if mean else "")
    return table


def _cell(number: Number) -> str:
    interval = interval_text(number.interval)
    return f"{value_text(number.value)} ({interval})" if interval else value_text(number.value)


def _show_tests(out: Console, numbers: list[Number], primary: str | None) -> None:
    for number in numbers:
        test = number.details.get("equivalence_test")
        if test is None:
            continue
        low, high = test["interval"]
        is_primary = number.name == primary and number.details["block"] == _CLAIMED
        out.print(
            f"{'Primary outcome, ' if is_primary else ''}{_TITLES[number.name]}: "
            f"{'' if test['equivalent'] else 'not shown to be '}equivalent to chance within "
            f"{test['chance']:g} ± {test['margin']:g} (90 % interval {low:.3f} to {high:.3f}, "
            f"p = {test['p']:.2g})"
        )


def _agreement_table(rows: list[dict[str, Any]]) -> Table:
    """A row a test: with the mean of readers, and from the reader least like it to the one most."""
    table = plain_table("\nReaders and machine: rank correlation within arms, kappa of their calls")
    for title in ("machine", "block", "with the mean", "single readers", "kappa", "single readers"):
        table.add_column(title, no_wrap=True)
    for block, test in dict.fromkeys(map(_block_and_test, rows)):
        mine = [row for row in rows if _block_and_test(row) == (block, test)]
        cells = []
        for name in ("rank_correlation", "kappa_of_calls"):
            by_reader = {
                row["details"]["reader"]: row["value"] for row in mine if row["name"] == name
            }
            cells.append(value_text(by_reader.pop(_MEAN, None)))
            single = [value for value in by_reader.values() if value is not None]
            cells.append(interval_text((min(single), max(single))) if single else "")
        table.add_row(title_of(test), block, *cells)
    return table


def _block_and_test(row: dict[str, Any]) -> tuple[str, str]:
    return row["details"]["block"], row["details"]["machine"]
