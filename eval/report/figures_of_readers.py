"""Plots of readers: who tells the arms apart, and how well they agree on each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from eval.report.claims_of_readers import PREFERRED
from eval.report.drawing import ARMS, FLOOR, OTHER, REAL, Figure, drawn, error_bar
from eval.report.numbers import digits, words
from eval.report.results_files import Finding
from eval.statistics.result import Number

_MEAN = "mean of readers"
_SHOWN = {"auc": "AUC", "pairs": "share of right pairs"}
_MOST = 8


def discrimination_figures(one: Finding) -> Iterator[Figure]:
    """A picture for each block: readers, their mean, the machine."""
    blocks = dict.fromkeys((number.details.get("block"), number.name) for number in one.numbers
                           if number.name in _SHOWN)  # fmt: skip
    for block, name in blocks:
        rows = [number for number in one.numbers if number.name == name
                and number.details.get("block") == block and number.value is not None]  # fmt: skip
        if rows:
            yield _readers(rows, name, block, one.settings.get("margin"))


def _readers(rows: list[Number], name: str, block: Any, margin: Any) -> Figure:
    def draw(figure: Any) -> None:
        axes = figure.subplots()
        if isinstance(margin, (int, float)):
            axes.axvspan(0.5 - margin, 0.5 + margin, color=FLOOR, label="margin")
        for place, number in enumerate(rows):
            reader, machine = number.details.get("reader"), number.details.get("machine")
            colour = OTHER if machine else REAL
            marker = "D" if reader == _MEAN else "s" if machine else "o"
            error_bar(axes, place, number.value or 0, number.interval, colour, marker=marker)
        axes.axvline(0.5, color=REAL, linewidth=0.8, linestyle="--")
        names = [str(number.details.get("reader")) for number in rows]
        axes.set_yticks(range(len(rows)), names)
        axes.invert_yaxis()
        axes.set_xlim(0, 1.02)
        axes.set_xlabel(_SHOWN[name])

    told = "; ".join(f"{number.details.get('reader')} {digits(number.value)}" for number in rows)
    return drawn(
        draw,
        title=f"Real or synthetic? Readers, {block} block",
        caption="0.5 (dashed): cannot tell. Grey: the margin of equivalence. Diamond: the mean, "
        "readers and images drawn. Squares: classifiers. Bars: 95 % intervals.",
        alt=f"{_SHOWN[name]} of each reader: {told}.",
        height=1.3 + 0.3 * len(rows),
    )


def agreement_figure(one: Finding) -> Iterator[Figure]:
    """Coefficients of all raters, arm by arm."""
    found = [number for number in one.numbers if number.details.get("compared") == "all raters"
             and number.details.get("arm") in ("real", "synthetic")
             and number.value is not None]  # fmt: skip
    names = list(dict.fromkeys(number.name for number in found))
    names = ([name for name in PREFERRED if name in names] or names)[:_MOST]
    rows = [number for number in found if number.name in names]
    if not rows:
        return

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        for number in rows:
            arm = str(number.details.get("arm"))
            place = names.index(number.name) + (0.18 if arm == "synthetic" else -0.18)
            label = arm if number.name == names[0] else None
            error_bar(axes, place, number.value or 0, number.interval, ARMS[arm],
                      marker="^" if arm == "synthetic" else "o", label=label)  # fmt: skip
        axes.set_yticks(range(len(names)), [words(name) for name in names])
        axes.invert_yaxis()
        axes.set_xlabel("agreement")
        axes.legend(fontsize=8)

    told = "; ".join(f"{words(number.name)}, {number.details.get('arm')} {digits(number.value)}"
                     for number in rows)  # fmt: skip
    yield drawn(
        draw,
        title="Agreement of readers",
        caption="All raters together, on real and on synthetic images. Bars: 95 % intervals.",
        alt=told,
        height=1.2 + 0.45 * len(names),
    )
