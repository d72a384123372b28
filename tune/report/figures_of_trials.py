"""Plots of all trials: what they measured over images seen, and parallel coordinates."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from eval.report.drawing import FLOOR, OTHER, REAL, SYNTHETIC, Figure, drawn
from eval.report.numbers import digits
from tune.report.record import Measure, SweepRecord, Trial, setting_text

# The best trial and the defaults look the same in all plots; of the others nothing is picked out.
BEST, DEFAULT, OTHERS = SYNTHETIC, REAL, "#b9bec4"
# Beyond so many times the smallest, differences between good trials are seen on a logarithm only.
_LOGARITHMIC_FROM = 8.0


def curves_figure(record: SweepRecord, measure: Measure) -> Iterator[Figure]:
    """A measure over images seen, a line a trial."""
    shown = [(trial, *_curve(trial, measure)) for trial in record.searched]
    shown = [one for one in shown if one[1]]
    if not shown:
        return
    best, default = record.best, record.default
    yardstick = _yardstick_in_sight(measure, [value for _, _, values in shown for value in values])

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        for trial, images, values in shown:
            _line(axes, trial, images, values, best, default)
        if yardstick is not None:
            axes.axhline(yardstick[0], color=FLOOR, linewidth=4, zorder=0)
            place = {"xycoords": ("axes fraction", "data"), "ha": "right", "va": "bottom"}
            axes.annotate(yardstick[1], (1, yardstick[0]), **place, fontsize=8, color="#777777")
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
        "one of the worse. A cross: diverged or failed."
        + _told_yardstick(measure, yardstick is not None),
        alt=f"{len(shown)} lines; " + ("; ".join(told) or "none has a rank") + ".",
        height=3.6,
    )


def _yardstick_in_sight(measure: Measure, values: list[float]) -> tuple[float, str] | None:
    """What real tiles reach, unless it would leave no room for the differences of trials."""
    if measure.yardstick is None or not min(values) / 2 <= measure.yardstick[0] <= 2 * max(values):
        return None
    return measure.yardstick


def _told_yardstick(measure: Measure, in_sight: bool) -> str:
    if measure.yardstick is None:
        return ""
    where = "Grey band" if in_sight else "Beyond the axis"
    return f" {where}: {measure.yardstick[1]}, {digits(measure.yardstick[0])}."


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
    ranked = [trial for trial in record.ranked if trial.rank is not None]
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
        _axes_of_settings(axes, record, ranked, heights)
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
    """0 for the worst, 1 for the best; by logarithms where values differ by much.

    Weighted ranks are of trials that came as far: there it is the rank of all.
    """
    if len(record.measures) > 1:
        return {trial.number: 1 - place / (len(ranked) - 1) for place, trial in enumerate(ranked)}
    values = np.array([trial.objective for trial in ranked], dtype=float)
    if values.min() > 0 and values.max() / values.min() > _LOGARITHMIC_FROM:
        values = np.log(values)
    spread = float(np.ptp(values)) or 1.0
    places = (values - values.min()) / spread
    if record.lower_is_better:
        places = 1 - places
    return {trial.number: float(at) for trial, at in zip(ranked, places, strict=True)}


def _axes_of_settings(
    axes: Any, record: SweepRecord, ranked: list[Trial], heights: dict[int, float]
) -> None:
    for place, setting in enumerate(record.settings):
        axes.axvline(place, color="#888888", linewidth=0.8, zorder=1)
        marks = ([(setting.place(choice), str(choice)) for choice in setting.choices]
                 or [(0, f"{setting.low:.3g}"), (1, f"{setting.high:.3g}")])  # fmt: skip
        for at, text in marks:
            _mark(axes, place, at, text)
    last = len(record.settings)
    axes.axvline(last, color="#888888", linewidth=0.8, zorder=1)
    for trial in _ends(ranked, heights):
        alone = len(record.measures) == 1
        text = digits(trial.objective) if alone else f"rank {trial.rank}"
        _mark(axes, last, heights[trial.number], text)
    axes.set_ylim(-0.06, 1.06)
    axes.set_yticks([])
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.tick_params(axis="x", length=0)


def _ends(ranked: list[Trial], heights: dict[int, float]) -> list[Trial]:
    by_height = sorted(ranked, key=lambda trial: heights[trial.number])
    return [by_height[0], by_height[-1]]


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
