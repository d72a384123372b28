"""The plot of use: what a segmenter gains from synthetic tiles, beside what it gains without."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from eval.report.claims_of_tissue import learns_from_synthetic
from eval.report.drawing import FLOOR, OTHER, REAL, SYNTHETIC, Figure, drawn, error_bar
from eval.report.numbers import digits
from eval.report.results_files import Finding
from eval.statistics.result import Number

# The control's below, where an arm has both.
_ASIDE = 0.18


def utility_figure(one: Finding) -> Iterator[Figure]:
    """Differences of mean Dice by share and arm, from real tiles and from the control."""
    found = sorted(filter(_is_shown, one.numbers), key=lambda number: _share(number) or 0)
    rows = list(dict.fromkeys(map(_row, found)))
    if not rows:
        return
    given = one.settings.get("margin")
    margin = given if isinstance(given, (int, float)) else None

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        if margin is not None:
            axes.axvspan(-margin, margin, color=FLOOR)
        told: set[str] = set()
        for number in found:
            label, colour, marker, aside = _style(number)
            place = rows.index(_row(number)) + aside
            error_bar(axes, place, number.value or 0, number.interval, colour,
                      marker=marker, label=None if label in told else label)  # fmt: skip
            told.add(label)
        axes.axvline(0, color=REAL, linewidth=0.8, linestyle="--")
        axes.set_yticks(range(len(rows)), rows)
        axes.invert_yaxis()
        axes.set_xlabel("difference of mean Dice on held-out patients")
        figure.legend(fontsize=8, ncols=3, loc="outside upper right")

    one_seed = any(len(number.details.get("seeds", ())) == 1 for number in found)
    yield drawn(
        draw,
        title="Are synthetic tiles of use?",
        caption="What a segmenter gains over one that learns from real tiles of the same patients, "
        "by the share of patients; diamonds: over the control, which learns as long."
        + (" Grey: the margin that was set beforehand." if margin is not None else "")
        + " Bars: 95 % intervals."
        + (" Of one seed they show nothing: its chance is in none of them." if one_seed else ""),
        alt="; ".join(
            f"{_row(number)} minus {_reference(number)} {digits(number.value)}" for number in found
        ),
        height=1.4 + 0.36 * len(rows),
    )


def _is_shown(number: Number) -> bool:
    """Whether it is a difference from as many patients."""
    if number.name != "mean_dice_difference" or number.value is None:
        return False
    share = _share(number)
    return share is not None and share == number.details.get("reference_share")


def _share(number: Number) -> float | None:
    return number.details.get("real_share")


def _row(number: Number) -> str:
    """Synthetic tiles alone hold no patients, however many their generator has seen."""
    share, arm = f"{_share(number) or 0:.0%}", number.details.get("arm")
    alone = number.details.get("schedule") == "alone"
    return f"tissue of {share}: {arm}" if alone else f"{share}: {arm}"


def _reference(number: Number) -> str:
    return "real tiles" if number.details.get("reference_set") is None else "the control"


def _style(number: Number) -> tuple[str, str, str, float]:
    """What the legend says; colour, marker, and how far below the row's middle."""
    if _reference(number) == "the control":
        return "with, over the control", OTHER, "D", _ASIDE
    if learns_from_synthetic(number):
        return "with synthetic tiles", SYNTHETIC, "o", -_ASIDE
    return "without synthetic tiles", REAL, "o", -_ASIDE
