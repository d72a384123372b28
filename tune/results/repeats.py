"""The best trial and the defaults trained again with other seeds: how much of it was chance.

The run that was found best was found so by luck, too. These are none that anything was chosen by.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from eval.statistics.paired import paired_difference, spread_of
from eval.statistics.result import Number
from tune.plan.config import Sweep
from tune.plan.trial_folder import TrialFolder
from tune.results.rows import Row, collect, row_of

_DEFAULTS = 0


def repeated(sweep: Sweep, rows: Sequence[Row]) -> list[int]:
    """The trials that are repeated: the best of `rows`, which come best first, and the defaults."""
    if not sweep.sweep.repeat_best or not rows or not rows[0].ended_well:
        return []
    best = rows[0].candidate.number
    return [best] if best == _DEFAULTS or not sweep.first else [best, _DEFAULTS]


def to_repeat(sweep: Sweep) -> list[tuple[int, int | None]]:
    """Trials and seeds that are still to be run; none before all trials have ended."""
    if not sweep.sweep.repeat_best:
        return []
    rows = collect(sweep)
    if len(rows) < sweep.sweep.samples or any(row.status == "unfinished" for row in rows):
        return []
    return [
        (number, seed)
        for seed in sweep.sweep.repeat_best
        for number in repeated(sweep, rows)
        if TrialFolder(sweep.trial_folder(number, seed)).is_open
    ]


def repeats(sweep: Sweep, rows: Sequence[Row]) -> list[Row]:
    """The repetitions of the best and the defaults, by trial and seed."""
    return [
        row_of(sweep, sweep.candidate_of(sweep.repeat(number, seed)))
        for number in repeated(sweep, rows)
        for seed in sweep.sweep.repeat_best
    ]


def numbers_of_repeats(sweep: Sweep, again: Sequence[Row]) -> list[Number]:
    """For each measure: mean and spread over seeds of the best and of the defaults, and the mean
    difference, of the same seeds.
    """
    found: list[Number] = []
    for measure in sweep.objective.measures:
        by_trial: dict[int, dict[int, float]] = {}
        for row in again:
            if row.last is not None and row.status == "finished":
                values = by_trial.setdefault(row.candidate.number, {})
                values[row.candidate.training.run.seed] = row.last.measured[measure]
        trials = list(dict.fromkeys(row.candidate.number for row in again))
        found += [_mean(measure, trial, by_trial.get(trial, {})) for trial in trials]
        if len(trials) == 2:
            best, defaults = (by_trial.get(trial, {}) for trial in trials)
            found.append(_difference(measure, best, defaults))
    return found


def _mean(measure: str, trial: int, values: Mapping[int, float]) -> Number:
    told = "defaults" if trial == _DEFAULTS else "best"
    return Number(
        name=f"{measure}_of_{told}_repeated",
        value=float(np.mean(list(values.values()))) if values else None,
        n=len(values),
        method="mean over trainings with other seeds than the sweep's, at the last measurement",
        reason=None if values else "no repetition has finished",
        details={"trial": trial, "by_seed": _by_seed(values), "spread": spread_of(values)},
    )


def _difference(measure: str, best: Mapping[int, float], defaults: Mapping[int, float]) -> Number:
    method = "mean difference of trainings with the same seed, other than the sweep's"
    return paired_difference(f"{measure}_of_best_less_defaults", best, defaults, method)


def _by_seed(values: Mapping[int, float]) -> dict[str, Any]:
    return {str(seed): value for seed, value in values.items()}
