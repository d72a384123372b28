"""`histosyn eval agreement`: how well readers agree, on real and on synthetic images."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter
from cyclopts.validators import Number as InRange
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from launch.console import console
from launch.outputs import check_output_file

if TYPE_CHECKING:
    from eval.result import Number, Result


def agreement(
    ratings: Path,
    /,
    *,
    categories: str | None = None,
    replicates: Annotated[int, Parameter(validator=InRange(gte=1))] = 2000,
    seed: Annotated[int, Parameter(validator=InRange(gte=0))] = 0,
    json: Path | None = None,
) -> None:
    """Agreement of readers beyond chance, with bootstrap intervals over images.

    Per arm: percent agreement; Light's, Fleiss' and Conger's κ, Gwet's AC1 and AC2,
    Brennan-Prediger's κ, Krippendorff's α of all raters; Cohen's κ of every pair.

    Example: histosyn eval agreement ratings.csv --categories 1,2,3,4,5 --json agreement.json

    Example: histosyn eval agreement ratings.csv --categories none,mild,moderate,severe

    Parameters
    ----------
    ratings
        CSV with the header image,rater,rating (a row a rating) or image,R1,R2,... (a column a
        rater). With a column arm (real or synthetic) each arm is reported by itself. Missing
        ratings are fine. Rater ids should be pseudonyms: results repeat them.
    categories
        The scale in its order, for instance 1,2,3,4,5 or none,mild,moderate,severe; also the
        grades that nobody used: they change weighted statistics. Default: the ratings found in
        the file, with a warning.
    replicates
        Bootstrap resamples of the images.
    seed
        Seed of the resampling.
    json
        File for the result with all that made it: settings, hashes, versions, warnings.
    """
    from eval.agreement_report import report_agreement
    from eval.ratings import read_ratings

    check_output_file(json, "--json")
    scale = None if categories is None else tuple(categories.split(","))
    result = report_agreement(read_ratings(ratings, scale), replicates=replicates, seed=seed)
    _show(result)
    if json is not None:
        result.save(json)


def _show(result: Result) -> None:
    out = console()
    notes = list(dict.fromkeys(note for number in result.numbers if (note := _note(number))))
    for _, numbers in groupby(result.numbers, key=_panel_of):
        out.print(_table(list(numbers), notes))
    out.print()
    for index, note in enumerate(notes, start=1):
        out.print(f"({index}) {note}")
    out.print(_footnote(result.settings))
    for warning in result.warnings:
        out.print(Text("warning: ", style="yellow").append(warning, style="default"))


def _panel_of(number: Number) -> tuple[str | None, str]:
    return number.details["arm"], number.details["compared"]


def _table(numbers: list[Number], notes: list[str]) -> Table:
    """One panel; narrow enough for a terminal, so notes are numbers that point below."""
    arm, compared = _panel_of(numbers[0])
    is_pairs = compared == "pairs of raters"
    title = compared if is_pairs else f"{compared}: {len(numbers[0].details['raters'])}"
    table = Table(
        title=f"\n{arm} images, {title}" if arm else f"\n{title}",
        title_justify="left",
        box=SIMPLE_HEAD,
        pad_edge=False,
        show_edge=False,
    )
    table.add_column("statistic", no_wrap=True)
    if is_pairs:
        table.add_column("raters", overflow="fold")
    for name in ("value", "interval", "n"):
        table.add_column(name, justify="left" if name == "interval" else "right", no_wrap=True)
    table.add_column("method")
    table.add_column("", no_wrap=True)
    for number in numbers:
        pair = [", ".join(number.details["raters"])] if is_pairs else []
        table.add_row(number.name, *pair, *_cells(number, notes))
    return table


def _cells(number: Number, notes: list[str]) -> Iterator[str]:
    yield "none" if number.value is None else f"{number.value:z.3f}"
    yield _interval_text(number)
    yield str(number.n)
    yield number.method
    note = _note(number)
    yield f"({notes.index(note) + 1})" if note else ""


def _note(number: Number) -> str | None:
    return number.reason or number.details["interval_note"]


def _interval_text(number: Number) -> str:
    if number.interval is None:
        return ""
    low, high = number.interval
    return f"{low:z.3f} to {high:z.3f}"


def _footnote(settings: dict[str, Any]) -> str:
    return (
        "n: images with two or more ratings (a pair: images both rated). "
        f"Intervals: {settings['interval_level']:.0%}, percentile bootstrap over images, "
        f"{settings['replicates']} replicates, seed {settings['seed']}. "
        f"Scale ({settings['categories_from']}): {', '.join(settings['categories'])}."
    )
