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
    found = sorted(filter(_is_shown, one.numbers), key=lambda number: _row(number)[0])
    rows = list(dict.fromkeys(map(_row, found)))
    if not rows:
        return
    margin = one.settings.get("margin")

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        if isinstance(margin, (int, float)):
            axes.axvspan(-margin, margin, color=FLOOR, label="margin")
        told: set[str] = set()
        for number in found:
            against = _reference(number)
            of_control = against != "real tiles"
            colour = SYNTHETIC if learns_from_synthetic(number) else REAL
            error_bar(
                axes,
                rows.index(_row(number)) + (_ASIDE if of_control else -_ASIDE),
                number.value or 0,
                number.interval,
                OTHER if of_control else colour,
                marker="D" if of_control else "o",
                label=None if against in told else f"minus {against}",
            )
            told.add(against)
        axes.axvline(0, color=REAL, linewidth=0.8, linestyle="--")
        axes.set_yticks(range(len(rows)), [f"{share:.0%}: {arm}" for share, arm in rows])
        axes.invert_yaxis()
        axes.set_xlabel("difference of mean Dice on held-out patients")
        figure.legend(fontsize=8, ncols=3, loc="outside upper right")

    yield drawn(
        draw,
        title="Are synthetic tiles of use?",
        caption="What a segmenter gains over one that learns from real tiles of the same patients, "
        "by their share; black: without synthetic tiles. Diamonds: over the control, which learns "
        "as long. Grey: the margin that was set beforehand. Bars: 95 % intervals.",
        alt="; ".join(f"{share:.0%}: {arm} minus {_reference(number)} {digits(number.value)}"
                      for number in found for share, arm in [_row(number)]),
        height=1.4 + 0.36 * len(rows),
    )  # fmt: skip


def _is_shown(number: Number) -> bool:
    """Whether it is a difference from as many patients."""
    if number.name != "mean_dice_difference" or number.value is None:
        return False
    return bool(number.details.get("real_share") == number.details.get("reference_share"))


def _row(number: Number) -> tuple[float, str]:
    return number.details["real_share"], str(number.details.get("arm"))


def _reference(number: Number) -> str:
    return "real tiles" if number.details.get("reference_set") is None else "the control"
