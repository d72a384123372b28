"""An agreement result as tables of a hundred columns at most; notes are numbers that point below.

Everything shown is in the result's JSON, with more digits; the tables leave out what has no room.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from eval.agreement.plan import DIFFERENCE
from launch.terminal.agreement_comparison import comparison_notes, show_comparisons
from launch.terminal.console import console
from launch.terminal.footnotes import Notes
from launch.terminal.numbers import interval_text, plain_table, value_text

if TYPE_CHECKING:
    from eval.statistics.result import Number, Result

_PAIR_COLUMNS = {
    "percent_agreement": "agree",
    "cohen_kappa": "Cohen's κ",
    "cohen_kappa_linear": "linear",
    "cohen_kappa_quadratic": "quadratic",
}
# More pairs than this are shown as a matrix only, more categories or raters not at all.
_MOST_PAIRS = 15
_MOST_COLUMNS = 10
_METHOD_WIDTH = 22


def show_ratings(result: Result) -> None:
    """Print tables, notes, how the intervals were made, and warnings."""
    out, notes = console(), Notes()
    arms = [fact["arm"] for fact in result.inputs["arms"]]
    for arm in arms:
        _show_arm(out, result, arm, notes)
    differences = [n for n in result.numbers if n.details["arm"] == DIFFERENCE]
    if differences:
        out.print(_difference_table(differences, result.settings["margin"], notes))
    show_comparisons(out, result, notes)
    out.print()
    for line in notes.lines():
        out.print(line)
    for line in _footnotes(result, bool(differences)):
        out.print(line)
    for warning in result.warnings:
        out.print(Text("warning: ", style="yellow").append(warning, style="default"))


def _show_arm(out: Console, result: Result, arm: str | None, notes: Notes) -> None:
    mine = [number for number in result.numbers if number.details["arm"] == arm]
    everyone = [number for number in mine if number.details["compared"] == "all raters"]
    pairs = [number for number in mine if number.details["compared"] != "all raters"]
    out.print(_group_table(everyone, notes))
    by_pair = [list(group) for _, group in groupby(pairs, key=lambda n: n.details["raters"])]
    if 0 < len(by_pair) <= _MOST_PAIRS:
        out.print(_pair_table(arm, by_pair, notes))
    if len(by_pair) > 1:
        out.print(_matrix(arm, [t for t in result.tables["pairwise"] if t["arm"] == arm]))
    rows = [row for row in result.tables["marginals"] if row["arm"] == arm]
    if rows and len(result.settings["categories"]) <= _MOST_COLUMNS:
        out.print(_marginals_table(arm, rows))


def _group_table(numbers: list[Number], notes: Notes) -> Table:
    details = numbers[0].details
    table = plain_table(_title(details["arm"], f"all raters: {len(details['raters'])}"))
    table.add_column("statistic", no_wrap=True)
    table.add_column("value", justify="right", no_wrap=True)
    table.add_column("bootstrap", no_wrap=True)
    table.add_column("by formula", no_wrap=True)
    table.add_column("n", justify="right", no_wrap=True)
    table.add_column("method", max_width=_METHOD_WIDTH)
    table.add_column("", no_wrap=True)
    for number in numbers:
        table.add_row(
            number.name,
            value_text(number.value),
            interval_text(number.interval),
            interval_text(_formula_interval(number)),
            str(number.n),
            number.method,
            notes.mark(number.reason or number.details["interval_note"]),
        )
    return table


def _pair_table(arm: str | None, pairs: list[list[Number]], notes: Notes) -> Table:
    table = plain_table(_title(arm, "pairs of raters"))
    table.add_column("raters", overflow="fold")
    table.add_column("n", justify="right", no_wrap=True)
    for column in _PAIR_COLUMNS.values():
        table.add_column(column, no_wrap=True)
    for numbers in pairs:
        by_name = {number.name: number for number in numbers}
        cells = (_pair_cell(by_name[name], notes) for name in _PAIR_COLUMNS)
        table.add_row(", ".join(numbers[0].details["raters"]), str(numbers[0].n), *cells)
    return table


def _pair_cell(number: Number, notes: Notes) -> str:
    if number.name == "percent_agreement" or number.interval is None:
        note = notes.mark(number.reason or number.details["interval_note"])
        return f"{value_text(number.value)} {note}".strip()
    low, high = number.interval
    return f"{value_text(number.value)} ({low:z.2f} to {high:z.2f})"


def _matrix(arm: str | None, tables: list[dict[str, Any]]) -> Table | str:
    raters = tables[0]["raters"]
    if len(raters) > _MOST_COLUMNS:
        return f"\n{len(raters)} raters: the matrix of pairs is in the JSON (--json)."
    by_name = {table["statistic"]: table["values"] for table in tables}
    below, above = by_name["cohen_kappa"], by_name["cohen_kappa_quadratic"]
    title = "Cohen's κ below the diagonal, with quadratic weights above it"
    table = plain_table(_title(arm, title))
    table.add_column("", no_wrap=True)
    for rater in raters:
        table.add_column(rater, justify="right", overflow="fold")
    for row, rater in enumerate(raters):
        cells = (
            "" if row == column else value_text((below if column < row else above)[row][column])
            for column in range(len(raters))
        )
        table.add_row(rater, *cells)
    return table


def _marginals_table(arm: str | None, rows: list[dict[str, Any]]) -> Table:
    table = plain_table(_title(arm, "how often each rater chose a category (%)"))
    table.add_column("rater", overflow="fold")
    table.add_column("ratings", justify="right", no_wrap=True)
    for category in rows[0]["counts"]:
        table.add_column(category, justify="right", overflow="fold")
    for row in rows:
        shares = (f"{100 * count / row['ratings']:.0f}" for count in row["counts"].values())
        table.add_row(row["rater"], str(row["ratings"]), *shares)
    return table


def _difference_table(numbers: list[Number], margin: float | None, notes: Notes) -> Table:
    table = plain_table("\nreal minus synthetic, all raters")
    table.add_column("statistic", no_wrap=True)
    for column in ("real", "synthetic", "difference"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("bootstrap", no_wrap=True)
    table.add_column("p", justify="right", no_wrap=True)
    if margin is not None:
        table.add_column(f"within ±{margin:g}", no_wrap=True)
    table.add_column("", no_wrap=True)
    for number in numbers:
        cells = [
            number.name,
            *(value_text(number.details["values"][arm]) for arm in ("real", "synthetic")),
            value_text(number.value),
            interval_text(number.interval),
            _p_value(number.details["permutation_test"]),
        ]
        if margin is not None:
            cells.append(_verdict(number.details["equivalence_test"]))
        table.add_row(*cells, notes.mark(number.reason or number.details["interval_note"]))
    return table


def _footnotes(result: Result, has_difference: bool) -> Iterator[str]:
    settings = result.settings
    yield (
        "n: images with two or more ratings (a pair: images both rated). "
        f"Intervals: {settings['interval_level']:.0%}, percentile bootstrap over "
        f"{settings['resampled']}, {settings['replicates']} replicates, seed {settings['seed']}."
    )
    if by_formula := "; ".join(_formulas(result.numbers)):
        yield f"By formula: {by_formula}."
    if has_difference:
        yield from _on_permutations(result.numbers)
        if settings["margin"] is not None:
            yield (
                "within: yes if the 90 % bootstrap interval lies within the margin (5 % level), "
                "undefined replicates counted as beyond it; none if more than 5 % are undefined."
            )
        yield settings["not_equivalence"]
    yield from comparison_notes(result)
    if primary := settings.get("primary"):
        yield f"Primary outcome of the study: {primary}."
    yield f"Scale ({settings['categories_from']}): {', '.join(settings['categories'])}."


def _on_permutations(numbers: Iterable[Number]) -> Iterator[str]:
    """How the p-values were made, or why there are none."""
    of_difference = [n.details for n in numbers if "permutation_test" in n.details]
    if note := next(
        (d["permutation_note"] for d in of_difference if "permutation_note" in d), None
    ):
        yield f"p: none; {note}."
    elif test := next(
        (d["permutation_test"] for d in of_difference if d["permutation_test"]), None
    ):
        yield f"p: two-sided; {test['method']}. One for each statistic: choose yours beforehand."


def _formulas(numbers: Iterable[Number]) -> list[str]:
    """The methods of the formulas shown, without degrees of freedom."""
    shown = (
        formula["method"].split("(")[0]
        for number in numbers
        if number.details["compared"] == "all raters"
        for formula in number.details.get("by_formula", [])[:1]
    )
    return list(dict.fromkeys(shown))


def _formula_interval(number: Number) -> tuple[float, float] | None:
    found = number.details["by_formula"]
    return found[0]["interval"] if found else None


def _title(arm: str | None, text: str) -> str:
    return f"\n{arm} images, {text}" if arm else f"\n{text}"


def _p_value(test: dict[str, Any] | None) -> str:
    return "" if test is None else f"{test['p_two_sided']:.4f}"


def _verdict(test: dict[str, Any] | None) -> str:
    if test is None:
        return ""
    return {True: "yes", False: "not shown", None: "none"}[test["equivalent"]]
