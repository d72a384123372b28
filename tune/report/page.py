"""The page of a sweep, in the manner of `histosyn report`: one file, nothing to fetch or run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from html import escape

from eval.report.drawing import Figure, can_draw
from eval.report.markup import (
    bullets,
    claims_table,
    definitions,
    notice,
    plots,
    table_markup,
    whole_page,
)
from eval.report.numbers import MINUS, digits
from eval.report.one_claim import Claim, Verdict
from hpc.extras import install_command
from tune.report.figures_of_findings import hours_figure, importance_figure, seeds_figure
from tune.report.figures_of_trials import curves_figure, parallel_figure
from tune.report.findings import Findings
from tune.report.importance import Importances
from tune.report.page_tables import STATES, best_table, hours_table, leaderboard_table
from tune.report.record import Measure, SweepRecord, Trial
from tune.report.spread import Spread

_FOOT = "Made by histosyn report. Synthetic images show no patient and are not for diagnosis."
_NO_PLOTS = "Plots are missing: they need matplotlib. "


def page_of(found: Findings, title: str | None = None) -> str:
    """The whole page; a sweep that still runs has one, too."""
    record = found.record
    return whole_page(
        title or f"Sweep: {record.name}",
        _summary(found),
        [
            ("claims", "Better than the defaults?", _claims(found)),
            ("best", "The best setting", _best(record)),
            ("tissue", "Tissue of the best and of the defaults", _tissue(record)),
            ("curves", "All trials", _drawn(_of_trials(record))),
            ("importance", "What mattered", _importance(found)),
            ("hours", "Hours", _hours(found)),
            ("limits", "Limits", bullets(list(_limits(found)))),
            ("leaderboard", "Leaderboard", _leaderboard(record)),
            ("provenance", "Provenance", definitions(record.provenance)),
        ],
        _FOOT,
    )


def _summary(found: Findings) -> str:
    record = found.record
    searched = len(record.searched)
    counts = Counter(trial.state for trial in record.searched)
    states = ", ".join(f"{counts[state]} {state}" for state in STATES if counts[state])
    text = (
        f"{searched} trials of {len(record.settings)} settings ({states}), by {record.search}, "
        f"early stopping: {record.stopping}. {_outcome(record)}"
    )
    notices = [*record.notices, *([] if can_draw() else [_NO_PLOTS + install_command("tune")])]
    return f"<p class='summary'>{escape(text)}</p>{notice(notices)}"


def _outcome(record: SweepRecord) -> str:
    best, default = record.best, record.default
    if best is None or best.last is None:
        return "No trial has a rank yet."
    if best is default:
        return f"The defaults are the best of them: {_told(record, best)}."
    against = f"; the defaults, trial {default.number}: {_told(record, default)}" if default else ""
    return f"Best is trial {best.number}: {_told(record, best)}{against}."


def _told(record: SweepRecord, trial: Trial) -> str:
    if trial.last is None:
        return "not measured"
    values = [f"{one.words} {digits(trial.last.values[one.name])} (n = {one.n})"
              for one in record.measures if one.name in trial.last.values]  # fmt: skip
    return f"{', '.join(values)} at {trial.last.images_seen:,} images seen, seed {trial.seed}"


def _claims(found: Findings) -> str:
    record = found.record
    if record.best is None:
        return ""
    if record.default is None:
        return "<p>The sweep has no trial of the defaults, so this is not known.</p>"
    if record.best is record.default:
        return "<p>None of the trials was better than the defaults.</p>"
    if not found.spreads:
        return (
            "<p>Not decided: the best setting was trained with one seed only, and chosen because "
            "its number is good. <code>sweep.repeat_best</code> trains both with other seeds.</p>"
        )
    rows = claims_table([_claim(spread) for spread in found.spreads])
    noise = "".join(f"<p>{escape(_noise(found, one))}</p>" for one in record.measures)
    return rows + _drawn(seeds_figure(found.spreads)) + noise


def _claim(spread: Spread) -> Claim:
    number, measure, ends = spread.difference, spread.measure, spread.ends
    return Claim(
        claim=f"The best setting is better than the defaults: {measure.words}",
        found=f"{digits(spread.default.mean)} with the defaults, {digits(spread.best.mean)} with "
        f"the best: {'better' if spread.gained > 0 else 'worse'} by {digits(abs(spread.gained))}",
        value=spread.gained,
        interval=ends,
        interval_level=number.interval_level,
        n=number.n,
        reference="0, no difference; n are seeds that both were trained with",
        verdict=_verdict(ends),
        source=f"at {spread.images_seen:,} images seen; {measure.n} tiles",
    )  # fmt: skip


def _verdict(ends: tuple[float, float] | None) -> Verdict:
    if ends is None or ends[0] <= 0 <= ends[1]:
        return "not shown"
    return "shown" if ends[0] > 0 else "against"


def _noise(found: Findings, measure: Measure) -> str:
    noise = found.noises.get(measure.name)
    if noise is None:
        return f"How noisy the {measure.words} is, is not known: no setting was run twice."
    return (
        f"How noisy it is: the {measure.words} of one setting varies from seed to seed with a "
        f"standard deviation of {digits(noise.deviation)} ({noise.runs} runs). Two single runs "
        f"that differ by less than {digits(noise.reach)} are not told apart; {noise.alike} of "
        f"{noise.others} other trials measured at as many images seen are that near to the best."
    )


def _best(record: SweepRecord) -> str:
    best = record.best
    if best is None:
        return ""
    command = f"histosyn train --config {record.best_file}"
    table = table_markup(best_table(record, best))
    return f"{table}<p>To train it: <code>{escape(command)}</code></p>"


def _tissue(record: SweepRecord) -> str:
    if not record.tissue:
        return ""
    names = {record.best.number if record.best else None: "best",
             record.default.number if record.default else None: "defaults"}  # fmt: skip
    shown = "".join(
        f'<figure><img src="{one.picture}" alt="Label maps, real tiles and synthetic tiles of '
        f'trial {one.trial}"><figcaption>Trial {one.trial} ({names.get(one.trial, "other")}), step '
        f"{one.step:,}: {one.images_seen:,} images seen</figcaption></figure>"
        for one in record.tissue
    )
    unequal = len({one.images_seen for one in record.tissue}) > 1
    differs = " But they are not after equally many images: do not compare." if unequal else ""
    return (
        "<p>The same training label maps and the same noise, chosen by the seed before anything "
        f"was trained, none picked.{differs}</p><div class='sides'>{shown}</div>"
    )


def _of_trials(record: SweepRecord) -> Iterator[Figure]:
    for measure in record.measures:
        yield from curves_figure(record, measure)
    yield from parallel_figure(record)


def _drawn(figures: Iterator[Figure]) -> str:
    return plots(figures) if can_draw() else ""


def _importance(found: Findings) -> str:
    known = found.importances
    if isinstance(known, str):
        return f"<p>{escape(known)}</p>"
    skill = known.skill.value or 0.0
    told = (
        f"Of the variance of the ranks of trials that it has not seen it explains {skill:.0%} "
        f"(95 % interval {_percent(known.skill.interval)}; below 0: worse than their mean)."
        if skill > 0
        else "It predicts trials that it has not seen no better than their mean does, so the "
        "importances below mean nothing: more trials, or wider ranges, would be needed."
    )
    text = (
        "A random forest learns from two thirds of the trials how they rank by their settings, and "
        f"predicts the rest; another third is held out, and another, many times. {told}"
    )
    return f"<p>{escape(text)}</p>" + _drawn(importance_figure(known))


def _percent(ends: tuple[float, float] | None) -> str:
    return "unknown" if ends is None else f"{ends[0]:.0%} to {ends[1]:.0%}".replace("-", MINUS)


def _hours(found: Findings) -> str:
    if not found.costs:
        return ""
    share = 100 * found.saved / ((found.spent + found.saved) or 1.0)
    text = (
        f"<p>Ending early saved {share:.0f} % of what all trials to their end would have cost.</p>"
    )
    return text + table_markup(hours_table(found)) + _drawn(hours_figure(found.record, found.costs))


def _limits(found: Findings) -> Iterator[str]:
    record = found.record
    yield from record.limits
    ranked = [trial for trial in record.ranked if trial.rank is not None]
    if len(ranked) > 1:
        yield (
            f"The best is the best of {len(ranked)} on the same tiles, which flatters it. Report a "
            "number that is measured on tiles that no trial has seen."
        )
    if len({trial.last.images_seen for trial in ranked if trial.last}) > 1:
        yield (
            "Trials were stopped after different numbers of images seen. Those that came furthest "
            "rank first, for others would have gone on changing."
        )
    if found.spreads:
        yield (
            f"The difference from the defaults rests on {found.spreads[0].difference.n} seeds, on "
            "these tiles: another choice of tiles, or of patients, is not in its interval."
        )
    if isinstance(found.importances, Importances):
        yield (
            f"Importance is of {found.importances.n} trials at {found.importances.images_seen:,} "
            "images seen, within the ranges that were searched: another range is another "
            "importance, and what matters early need not matter at the end."
        )


def _leaderboard(record: SweepRecord) -> str:
    reasons = [f"Trial {trial.number} {trial.state}: {trial.reason}" for trial in record.trials
               if trial.reason]  # fmt: skip
    return table_markup(leaderboard_table(record)) + bullets(reasons)
