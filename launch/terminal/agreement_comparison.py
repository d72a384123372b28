"""Tables that compare the arms: independent κ by formula, and AUC of readers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from eval.agreement.plan import DETECTION
from launch.terminal.footnotes import Notes
from launch.terminal.numbers import interval_text, plain_table, value_text

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from eval.statistics.result import Number, Result

_MOST_ROWS = 24
_NOT_ALIKE = (
    "An interval that holds 0.5 does not show that readers cannot tell: few images widen it"
)


def show_comparisons(out: Console, result: Result, notes: Notes) -> None:
    """Print both tables, as far as there is something to print."""
    rows = [row for row in result.tables["independent_kappas"] if "kappa" in row["statistic"]]
    if rows:
        out.print(_independent_table(rows[:_MOST_ROWS]))
    if len(rows) > _MOST_ROWS:
        out.print(f"{len(rows) - _MOST_ROWS} more rows are in the JSON (--json).")
    numbers = [number for number in result.numbers if number.details["arm"] == DETECTION]
    if numbers:
        out.print(_detection_table(numbers, notes))


def comparison_notes(result: Result) -> Iterator[str]:
    """How these tables were made."""
    if rows := result.tables["independent_kappas"]:
        yield (
            f"z and its p: two-sided, arms independent ({rows[0]['method'].split(';')[0]}); other "
            "statistics are in the JSON."
        )
    numbers = [number for number in result.numbers if number.details["arm"] == DETECTION]
    if numbers:
        arm = result.settings["confidence"]
        yield (
            f"AUC: how often a {arm} image has the higher confidence of being {arm} "
            f"({numbers[0].method}); 0.5 is guessing. By formula: DeLong 1988, logit. {_NOT_ALIKE}."
        )


def _independent_table(rows: list[dict[str, Any]]) -> Table:
    table = plain_table("\nreal minus synthetic by formula, arms independent")
    table.add_column("statistic", no_wrap=True)
    table.add_column("raters", overflow="fold")
    for column in ("real", "synthetic", "difference"):
        table.add_column(column, justify="right", no_wrap=True)
    for column in ("95 %", "z", "p"):
        table.add_column(column, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(
            row["statistic"],
            _who(row),
            *(value_text(row["values"][arm]) for arm in ("real", "synthetic")),
            value_text(row["difference"]),
            interval_text(row["interval"]),
            f"{row['z']:z.2f}",
            f"{row['p_two_sided']:.4f}",
        )
    return table


def _who(row: dict[str, Any]) -> str:
    if row["compared"] == "all raters":
        return "all"
    real, synthetic = (", ".join(row["raters"][arm]) for arm in ("real", "synthetic"))
    return real if real == synthetic else f"{real}; {synthetic}"


def _detection_table(numbers: list[Number], notes: Notes) -> Table:
    table = plain_table("\ntelling real from synthetic by confidence")
    table.add_column("reader", overflow="fold")
    table.add_column("AUC", justify="right", no_wrap=True)
    for column in ("bootstrap", "by formula"):
        table.add_column(column, no_wrap=True)
    for column in ("n real", "n synthetic"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for number in numbers:
        formula = number.details["by_formula"]
        table.add_row(
            number.details["compared"],
            value_text(number.value),
            interval_text(number.interval),
            interval_text(formula[0]["interval"] if formula else None),
            *(str(number.details["images"][arm]) for arm in ("real", "synthetic")),
            notes.mark(number.reason or number.details["interval_note"]),
        )
    return table
