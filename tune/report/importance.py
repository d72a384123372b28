"""How much each setting matters: permutation importance on a random forest, on trials held out.

A forest (Breiman 2001) learns from two thirds of the trials to predict ranks, and predicts those of
the others; then each of these is given the setting of another one, and what the squared error grows
by is the setting's importance. 0: the forest does as well without it. 1: it errs by as much more as
ranks vary in all. It is said of trials that the forest has not seen, so that a setting that does
nothing has an importance around 0 and not above it. This is done for many random splits; the
interval takes into account that they overlap (Nadeau & Bengio 2003, eq. 8).

Settings are exchanged for those of every other trial, as in Fisher, Rudin & Dominici 2019, eq. 3.3,
not shuffled at random as scikit-learn's `permutation_importance` does: no chance of its own, and
one prediction in place of many, which takes a tenth of the time.

Ranks, because one trial that runs away would otherwise be all that is learnt. At the most images
seen at which nearly all trials were measured, because later only the better ones are left. Trials
that diverged rank last: what makes them diverge matters.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from eval.statistics.result import Number
from hpc.extras import missing_extra
from tune.report.record import SweepRecord, Trial

Floats = NDArray[np.float64]

LEVEL = 0.95
# With fewer, or fewer than two for each setting, chance decides which setting comes first.
FEWEST = 10
_FEWEST_EACH = 2
_SPLITS = 30
_TREES = 40
# Of very many trials, each is given the setting of so many others.
_MOST_EXCHANGES = 16
_HELD_OUT = 1 / 3
# Trials that were never measured so far are few enough to leave out.
_NEARLY_ALL = 0.8
_METHOD = (
    "permutation importance on a random forest ({trees} trees, scikit-learn) that predicts ranks "
    "of {n} trials at {images:,} images seen; rise of the squared error on held-out trials over "
    "the variance of ranks, mean of {splits} random splits in two thirds and one third"
)
_INTERVAL = "t interval over splits, their variance corrected for overlap (Nadeau & Bengio 2003)"


@dataclass(frozen=True, kw_only=True)
class Importances:
    """Of each setting its importance, the largest first; `skill` is how well the forest does.

    That is 1 minus its squared error on held-out trials over the variance of ranks: 0 for one that
    knows nothing. `images_seen` is where trials were ranked, `diverged` how many ranked last.
    """

    settings: tuple[tuple[str, Number], ...]
    skill: Number
    n: int
    images_seen: int
    diverged: int


def importances_of(record: SweepRecord, seed: int = 0) -> Importances | str:
    """The importances, or why there are none. Raises InputError without scikit-learn."""
    trials, images = _measured(record)
    if images is None:
        return "No number of images seen was reached by nearly all trials."
    needed = max(FEWEST, _FEWEST_EACH * len(record.settings))
    if len(trials) < needed:
        return (
            f"{len(trials)} trials were measured at {images:,} images seen. With fewer than "
            f"{needed}, for {len(record.settings)} settings, it would be chance which setting "
            "seems to matter."
        )
    ranks_N = _ranks(record, trials, images)
    if np.ptp(ranks_N) == 0:
        return "All trials rank alike."
    places_NF = np.array([[setting.place(trial.values.get(setting.name))
                           for setting in record.settings] for trial in trials])  # fmt: skip
    # Of variance 1, so that errors are shares of it.
    return _importances(record, places_NF, stats.zscore(ranks_N), trials, images, seed)


def _measured(record: SweepRecord) -> tuple[list[Trial], int | None]:
    """The trials that were measured at the most images seen that nearly all of them reached."""
    known = [trial for trial in record.searched if trial.state == "diverged" or trial.measurements]
    enough = _NEARLY_ALL * len(known)
    seen = sorted({each.images_seen for trial in known for each in trial.measurements})
    for images in reversed(seen):
        found = [trial for trial in known if _counts(record, trial, images)]
        if len(found) >= enough:
            return found, images
    return [], None


def _counts(record: SweepRecord, trial: Trial, images: int) -> bool:
    """Whether a trial has a rank there: it was measured, or diverged before."""
    measured = all(trial.at(images, one.name) is not None for one in record.measures)
    last = trial.last.images_seen if trial.last is not None else 0
    return measured or (trial.state == "diverged" and last < images)


def _ranks(record: SweepRecord, trials: Sequence[Trial], images: int) -> Floats:
    """Weighted mean of ranks over the measures (N,), 1 for the best; not finite ranks last."""
    total = np.zeros(len(trials))
    for measure in record.measures:
        sign = 1 if measure.lower_is_better else -1
        found = [trial.at(images, measure.name) for trial in trials]
        values = [math.inf if value is None or not math.isfinite(value) else sign * value
                  for value in found]  # fmt: skip
        total += measure.weight * stats.rankdata(values)
    return total


def _importances(
    record: SweepRecord,
    places_NF: Floats,
    ranks_N: Floats,
    trials: Sequence[Trial],
    images: int,
    seed: int,
) -> Importances:
    ensemble, selection = _scikit_learn()
    splits = selection.ShuffleSplit(_SPLITS, test_size=_HELD_OUT, random_state=seed)
    rises, errors = [], []
    for number, (train, test) in enumerate(splits.split(places_NF)):
        forest = ensemble.RandomForestRegressor(_TREES, random_state=seed + number)
        forest.fit(places_NF[train], ranks_N[train])
        error, exchanged_F = _errors(forest, places_NF[test], ranks_N[test])
        errors.append(error)
        rises.append(exchanged_F - error)
    method = _METHOD.format(trees=_TREES, n=len(trials), images=images, splits=_SPLITS)
    overlap = len(test) / len(train)
    numbers = [
        (setting.name, _number(f"importance of {setting.name}", rises_S, overlap, trials, method))
        for setting, rises_S in zip(record.settings, np.transpose(rises), strict=True)
    ]
    skill = _number("skill", 1 - np.array(errors), overlap, trials,
                    "1 minus squared error over variance; " + method)  # fmt: skip
    return Importances(
        settings=tuple(sorted(numbers, key=lambda one: -(one[1].value or 0.0))),
        skill=skill,
        n=len(trials),
        images_seen=images,
        diverged=sum(trial.state == "diverged" for trial in trials),
    )


def _errors(forest: Any, places_NF: Floats, ranks_N: Floats) -> tuple[float, Floats]:
    """Squared error as it is, and with each setting (F,) exchanged for that of other trials."""
    n, settings = places_NF.shape
    shifts = min(n - 1, _MOST_EXCHANGES)
    cases = [places_NF]
    for setting in range(settings):
        for shift in range(1, shifts + 1):
            exchanged_NF = places_NF.copy()
            exchanged_NF[:, setting] = np.roll(places_NF[:, setting], shift)
            cases.append(exchanged_NF)
    predicted = forest.predict(np.concatenate(cases)).reshape(-1, n)
    found = np.mean((predicted - ranks_N) ** 2, axis=1)
    return float(found[0]), found[1:].reshape(settings, shifts).mean(axis=1)


def _number(
    name: str, values_S: Floats, overlap: float, trials: Sequence[Trial], method: str
) -> Number:
    """A mean over splits; `overlap` is held-out trials over learnt ones."""
    mean, splits = float(np.mean(values_S)), len(values_S)
    error = math.sqrt((1 / splits + overlap) * float(np.var(values_S, ddof=1)))
    reach = float(stats.t.ppf((1 + LEVEL) / 2, splits - 1)) * error
    return Number(
        name=name,
        value=mean,
        n=len(trials),
        method=method,
        interval=(mean - reach, mean + reach) if reach else None,
        interval_level=LEVEL if reach else None,
        interval_method=_INTERVAL if reach else None,
    )


def _scikit_learn() -> tuple[Any, Any]:
    try:
        import sklearn.ensemble
        import sklearn.model_selection
    except ImportError as error:
        raise missing_extra("The importance of settings", "scikit-learn", "tune", error) from error
    return sklearn.ensemble, sklearn.model_selection
