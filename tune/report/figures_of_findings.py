"""Plots of what was found: importance of settings, seeds side by side, hours."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from eval.report.drawing import REAL, SYNTHETIC, Figure, drawn, error_bar
from eval.report.numbers import digits, interval
from tune.report.figures_of_trials import BEST, DEFAULT, OTHERS
from tune.report.hours import Cost, unit_of
from tune.report.importance import Importances
from tune.report.record import SweepRecord, Trial
from tune.report.spread import Runs, Spread

_NAME_INCHES = 0.32


def importance_figure(found: Importances) -> Iterator[Figure]:
    """Importances with their intervals, the largest on top."""

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        for place, (_, number) in enumerate(found.settings):
            error_bar(axes, place, number.value or 0.0, number.interval, SYNTHETIC)
        axes.axvline(0, color=REAL, linewidth=0.8, linestyle="--")
        axes.set_yticks(range(len(found.settings)), [name for name, _ in found.settings])
        axes.invert_yaxis()
        axes.set_xlabel("rise of the squared error without the setting, over the variance of ranks")

    told = "; ".join(f"{name} {digits(number.value)} ({interval(number.interval)})"
                     for name, number in found.settings)  # fmt: skip
    diverged = f", {found.diverged} that diverged as the last" if found.diverged else ""
    yield drawn(
        draw,
        title="How much each setting matters",
        caption=f"Importance for the ranks of {found.n} trials at {found.images_seen:,} images seen"
        f"{diverged}, with 95 % intervals; 0 (dashed): as good as without it. A setting whose "
        "interval includes 0 is not shown to matter, nor shown not to.",
        alt=f"Importances: {told}.",
        height=1.2 + _NAME_INCHES * len(found.settings),
    )


def seeds_figure(spreads: list[Spread]) -> Iterator[Figure]:
    """The runs of the best setting beside those of the defaults."""
    if not spreads:
        return

    def draw(figure: Any) -> None:
        panels = np.atleast_1d(figure.subplots(len(spreads), 1))
        for axes, spread in zip(panels, spreads, strict=True):
            _seeds(axes, spread)

    told = "; ".join(
        f"{one.measure.words}: best {_values(one.best)}; defaults {_values(one.default)}"
        for one in spreads
    )  # fmt: skip
    images = " and ".join(f"{one:,}" for one in dict.fromkeys(s.images_seen for s in spreads))
    seeds = ", ".join(map(str, spreads[0].best.by_seed))
    yield drawn(
        draw,
        title="The best setting and the defaults, seed by seed",
        caption=f"Each point is a training with another seed ({seeds}), measured at {images} "
        "images seen on the same tiles; bars are their means. Hollow: the sweep's own run, "
        "which does not count, because the best one was chosen for its number.",
        alt=told + ".",
        height=1.0 + 1.0 * len(spreads),
    )


def _values(runs: Runs) -> str:
    return ", ".join(map(digits, runs.by_seed.values()))


def _seeds(axes: Any, spread: Spread) -> None:
    rows = ((f"best (trial {spread.best.trial})", spread.best, BEST),
            (f"defaults (trial {spread.default.trial})", spread.default, DEFAULT))  # fmt: skip
    for place, (_, runs, colour) in enumerate(rows):
        values = list(runs.by_seed.values())
        axes.plot(values, [place] * len(values), "o", color=colour, alpha=0.75,
                  markersize=6, markeredgewidth=0, zorder=3)  # fmt: skip
        axes.plot([runs.mean] * 2, [place - 0.3, place + 0.3], color=colour, linewidth=2)
        if runs.first is not None:
            axes.plot([runs.first], [place], "o", markerfacecolor="white", color=colour,
                      markersize=6, zorder=2)  # fmt: skip
    axes.set_yticks(range(2), [name for name, _, _ in rows])
    axes.set_ylim(1.6, -0.6)
    better = "lower" if spread.measure.lower_is_better else "higher"
    axes.set_xlabel(f"{spread.measure.words}, {better} is better")


def _told(trial: Trial) -> str:
    return str(trial.number) if trial.repeats is None else f"{trial.number}\ns{trial.seed}"


def hours_figure(record: SweepRecord, costs: list[Cost]) -> Iterator[Figure]:
    """What each trial cost, and what it would have cost to its end."""
    if not costs:
        return
    best, default, unit = record.best, record.default, unit_of(record)

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        for place, cost in enumerate(costs):
            colour = {id(best): BEST, id(default): DEFAULT}.get(id(cost.trial), OTHERS)
            axes.bar(place, cost.spent, color=colour, width=0.75)
            axes.bar(place, cost.saved, bottom=cost.spent, color="none", edgecolor=OTHERS,
                     linewidth=0.8, linestyle=":", width=0.75)  # fmt: skip
        step = max(len(costs) // 20, 1)
        axes.set_xticks(range(0, len(costs), step),
                        [_told(cost.trial) for cost in costs[::step]], fontsize=8)  # fmt: skip
        axes.set_xlabel("trial (s: once more, with this seed)")
        axes.set_ylabel(unit)

    spent, saved = sum(cost.spent for cost in costs), sum(cost.saved for cost in costs)
    yield drawn(
        draw,
        title="Hours spent, and saved by ending early",
        caption="Filled: spent. Dotted: what the remaining steps of trials that were stopped or "
        "diverged would have cost at their own pace. Blue: the best; black: the defaults.",
        alt=f"Bars of {len(costs)} trials: {digits(spent)} {unit} spent, {digits(saved)} saved.",
        height=2.4,
    )
