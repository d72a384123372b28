"""Plots of a sweep, as SVG: curves, parallel coordinates, importance, seeds, hours."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from eval.report.drawing import FLOOR, OTHER, REAL, SYNTHETIC, Figure, drawn, error_bar
from eval.report.numbers import digits, interval
from tune.report.hours import Cost, unit_of
from tune.report.importance import Importances
from tune.report.record import Measure, SweepRecord, Trial
from tune.report.spread import Spread

# The best trial and the defaults look the same in all plots; of the others nothing is picked out.
BEST, DEFAULT, OTHERS = SYNTHETIC, REAL, "#b9bec4"
# Beyond so many times the smallest, differences between good trials are seen on a logarithm only.
_LOGARITHMIC_FROM = 8.0
_NAME_INCHES = 0.32


def curves_figure(record: SweepRecord, measure: Measure) -> Iterator[Figure]:
    """A measure over images seen, a line a trial."""
    shown = [(trial, *_curve(trial, measure)) for trial in record.searched]
    shown = [one for one in shown if one[1]]
    if not shown:
        return
    best, default = record.best, record.default
    lowest = min(min(values) for _, _, values in shown)
    # One that is far below all trials would leave no room for their differences.
    floor = measure.floor if measure.floor and lowest < 2 * measure.floor else None

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        for trial, images, values in shown:
            _line(axes, trial, images, values, best, default)
        if floor is not None:
            axes.axhline(floor, color=FLOOR, linewidth=4, zorder=0)
            axes.annotate("real to real", (1, floor), xycoords=("axes fraction", "data"),
                          ha="right", va="bottom", fontsize=8, color="#777777")  # fmt: skip
        _scale(axes, [value for _, _, values in shown for value in values])
        axes.set_xlabel("images seen")
        axes.xaxis.set_major_formatter("{x:,.0f}")
        axes.set_ylabel(measure.words)
        _legend(axes, record)

    finals = {trial.number: values[-1] for trial, _, values in shown}
    told = [f"{name} (trial {trial.number}) ends at {digits(finals[trial.number])}"
            for name, trial in (("the best", best), ("the defaults", default))
            if trial is not None and trial.number in finals]  # fmt: skip
    better = "lower" if measure.lower_is_better else "higher"
    yield drawn(
        draw,
        title=f"{measure.words} over images seen, {better} is better",
        caption=f"{len(shown)} trials on the same {measure.n} held-out tiles, with the same label "
        f"maps and noise. {measure.how[:1].upper()}{measure.how[1:]}. A point: stopped early, as "
        "one of the worse. A cross: diverged or failed." + _told_floor(measure, floor),
        alt=f"{len(shown)} lines; " + ("; ".join(told) or "none has a rank") + ".",
        height=3.6,
    )


def _told_floor(measure: Measure, drawn_floor: float | None) -> str:
    if measure.floor is None:
        return ""
    where = "Grey band" if drawn_floor is not None else "Far below"
    return f" {where}: what real tiles have among themselves, {digits(measure.floor)}."


def _curve(trial: Trial, measure: Measure) -> tuple[list[int], list[float]]:
    found = [(each.images_seen, each.values[measure.name]) for each in trial.measurements
             if math.isfinite(each.values.get(measure.name, math.nan))]  # fmt: skip
    return [images for images, _ in found], [value for _, value in found]


def _line(
    axes: Any, trial: Trial, images: list[int], values: list[float], best: Trial | None,
    default: Trial | None,
) -> None:  # fmt: skip
    colour, width, order, style = OTHERS, 1.1, 2, "-"
    if default is not None and trial.number == default.number:
        colour, width, order, style = DEFAULT, 1.8, 4, "--"
    if best is not None and trial.number == best.number:
        colour, width, order, style = BEST, 2.2, 5, "-"
    axes.plot(images, values, style, color=colour, linewidth=width, zorder=order,
              solid_capstyle="round")  # fmt: skip
    ends = {"stopped": "o", "diverged": "x", "failed": "x"}
    marker = ends.get(trial.state, "|" if len(images) == 1 else "")
    if marker:
        mark = OTHER if marker == "x" else colour
        axes.plot(images[-1:], values[-1:], marker, color=mark, markersize=4.5, zorder=order)


def _scale(axes: Any, values: list[float]) -> None:
    """Logarithmic, with plain numbers, where values differ by much."""
    from matplotlib import ticker

    low, high = min(values), max(values)
    if low > 0 and high / low > _LOGARITHMIC_FROM:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_minor_locator(ticker.NullLocator())
        axes.yaxis.set_major_formatter("{x:g}")


def _legend(axes: Any, record: SweepRecord) -> None:
    best, default = record.best, record.default
    if best is not None:
        also = ", the defaults" if best is default else ""
        axes.plot([], [], color=BEST, linewidth=2.2, label=f"best{also}: trial {best.number}")
    if default is not None and default is not best:
        axes.plot([], [], "--", color=DEFAULT, linewidth=1.8,
                  label=f"defaults: trial {default.number}")  # fmt: skip
    axes.plot([], [], color=OTHERS, label="other trials")
    axes.legend(fontsize=8, loc="upper right")


def parallel_figure(record: SweepRecord) -> Iterator[Figure]:
    """Parallel coordinates (Inselberg 1985): an axis a setting, the objective last."""
    ranked = [trial for trial in record.ranked if trial.objective is not None]
    if len(ranked) < 2 or not record.settings:
        return
    best, default = record.best, record.default
    heights = _objective_places(record, ranked)

    def draw(figure: Any) -> None:
        from matplotlib.colors import LinearSegmentedColormap

        axes = figure.subplots()
        names = [setting.name for setting in record.settings]
        colours = LinearSegmentedColormap.from_list("rank", [FLOOR, BEST])
        for rank, trial in reversed(list(enumerate(ranked))):
            places = [setting.place(trial.values.get(setting.name)) for setting in record.settings]
            style = {"color": colours(1 - rank / (len(ranked) - 1)), "linewidth": 1.2,
                     "alpha": 0.9, "zorder": 2}  # fmt: skip
            if trial is default:
                style = {"color": DEFAULT, "linewidth": 1.8, "linestyle": "--", "zorder": 4}
            if trial is best:
                style = {"color": BEST, "linewidth": 2.6, "zorder": 5}
            axes.plot(range(len(places) + 1), [*places, heights[trial.number]], **style)
        _axes_of_settings(axes, record, ranked)
        axes.set_xticks(range(len(names) + 1), [*map(_broken, names), _broken_words(record)],
                        fontsize=8)  # fmt: skip

    yield drawn(
        draw,
        title="Which settings the good trials have",
        caption=f"A line a trial ({len(ranked)} with a rank), from setting to setting to what it "
        "is ranked by, the better the higher. The bluer, the better; thick: the best; dashed: the "
        "defaults. A trial that was stopped early has the value that it was stopped with.",
        alt="Parallel coordinates. " + _told_of_best(record),
        height=3.6,
    )


def _objective_places(record: SweepRecord, ranked: list[Trial]) -> dict[int, float]:
    """0 for the worst, 1 for the best; by logarithms where values differ by much."""
    values = np.array([trial.objective for trial in ranked], dtype=float)
    if values.min() > 0 and values.max() / values.min() > _LOGARITHMIC_FROM:
        values = np.log(values)
    spread = float(np.ptp(values)) or 1.0
    places = (values - values.min()) / spread
    if record.lower_is_better:
        places = 1 - places
    return {trial.number: float(at) for trial, at in zip(ranked, places, strict=True)}


def _axes_of_settings(axes: Any, record: SweepRecord, ranked: list[Trial]) -> None:
    for place, setting in enumerate(record.settings):
        axes.axvline(place, color="#888888", linewidth=0.8, zorder=1)
        marks = ([(setting.place(choice), str(choice)) for choice in setting.choices]
                 or [(0, f"{setting.low:.3g}"), (1, f"{setting.high:.3g}")])  # fmt: skip
        for at, text in marks:
            _mark(axes, place, at, text)
    last = len(record.settings)
    axes.axvline(last, color="#888888", linewidth=0.8, zorder=1)
    for at, trial in ((1, ranked[0]), (0, ranked[-1])):
        _mark(axes, last, at, digits(trial.objective))
    axes.set_ylim(-0.06, 1.06)
    axes.set_yticks([])
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.tick_params(axis="x", length=0)


def _mark(axes: Any, place: float, at: float, text: str) -> None:
    box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.8}
    axes.annotate(text, (place, at), xytext=(4, 0), textcoords="offset points", fontsize=8,
                  va="center", bbox=box, zorder=6)  # fmt: skip


def _broken(name: str) -> str:
    """A dotted name in two lines."""
    return name.replace(".", ".\n", 1)


def _broken_words(record: SweepRecord) -> str:
    return record.objective_words.replace(" ", "\n", 1)


def _told_of_best(record: SweepRecord) -> str:
    best = record.best
    if best is None:
        return "No trial has a rank."
    told = ", ".join(f"{name} {setting_text(value)}" for name, value in best.values.items())
    return f"The best, trial {best.number}: {told}."


def setting_text(value: Any) -> str:
    """A value of a setting as people read it."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


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
        f"{one.measure.words}: best {', '.join(map(digits, one.best.values))}; defaults "
        f"{', '.join(map(digits, one.default.values))}" for one in spreads
    )  # fmt: skip
    images = ", ".join(f"{images:,}" for images in dict.fromkeys(s.images_seen for s in spreads))
    yield drawn(
        draw,
        title="The best setting and the defaults, seed by seed",
        caption=f"Each point is a training with another seed, measured at {images} images seen on "
        "the same tiles; bars are means. Hollow: the run that was chosen as the best. It does not "
        "count, because it was chosen for its number.",
        alt=told + ".",
        height=1.0 + 1.0 * len(spreads),
    )


def _seeds(axes: Any, spread: Spread) -> None:
    rows = ((f"best (trial {spread.best.trial})", spread.best, BEST),
            (f"defaults (trial {spread.default.trial})", spread.default, DEFAULT))  # fmt: skip
    for place, (_, runs, colour) in enumerate(rows):
        axes.plot(runs.values, [place] * len(runs.values), "o", color=colour, alpha=0.75,
                  markersize=6, markeredgewidth=0, zorder=3)  # fmt: skip
        axes.plot([runs.mean] * 2, [place - 0.3, place + 0.3], color=colour, linewidth=2)
        if runs.chosen is not None:
            axes.plot([runs.chosen[1]], [place], "o", markerfacecolor="white", color=colour,
                      markersize=6, zorder=2)  # fmt: skip
    axes.set_yticks(range(2), [name for name, _, _ in rows])
    axes.set_ylim(1.6, -0.6)
    better = "lower" if spread.measure.lower_is_better else "higher"
    axes.set_xlabel(f"{spread.measure.words}, {better} is better")


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
                        [str(cost.trial.number) for cost in costs[::step]], fontsize=8)  # fmt: skip
        axes.set_xlabel("trial")
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
