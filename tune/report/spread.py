"""The best setting beside the defaults, each with several seeds: is it better by more than chance?

The run that was chosen as the best was chosen because its number is low: it flatters its setting.
So the setting is judged by other seeds of it alone, while all runs of the defaults count.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from eval.statistics.result import Number
from tune.report.record import Measure, SweepRecord, Trial, common_images

LEVEL = 0.95
# From two runs of each on there is a spread.
_FEWEST = 2
_METHOD = (
    "mean of the defaults' runs minus mean of the best setting's other seeds, where lower is "
    "better, else the reverse: above 0 the best setting is better; {measure}, {how}, n = {n} tiles,"
    " at {images:,} images seen"
)
_INTERVAL = "Welch's t interval over runs with other seeds (Welch 1947)"
# Of the difference of two single runs, 95 % lie within this many standard deviations of a run.
_REPEATABILITY = stats.norm.ppf(0.975) * math.sqrt(2)


@dataclass(frozen=True, kw_only=True)
class Runs:
    """One setting's runs: values by seed of those that count, and of the one that was chosen."""

    trial: int
    seeds: tuple[int, ...]
    values: tuple[float, ...]
    chosen: tuple[int, float] | None = None

    @property
    def mean(self) -> float:
        """The mean of the runs that count."""
        return float(np.mean(self.values))

    @property
    def deviation(self) -> float | None:
        """Their standard deviation; None of a single one."""
        return float(np.std(self.values, ddof=1)) if len(self.values) >= _FEWEST else None


@dataclass(frozen=True, kw_only=True)
class Spread:
    """Both settings, measured at the same number of images seen, and their difference."""

    measure: Measure
    images_seen: int
    best: Runs
    default: Runs
    difference: Number


@dataclass(frozen=True, kw_only=True)
class Noise:
    """How noisy a measure is: the standard deviation of runs that differ by their seeds.

    It is pooled over the settings that were repeated, of `runs` runs in all. `alike` of the
    `others` trials measured at as many images seen as the best lie within `reach` of it: 95 % of
    the differences of two runs of one setting do, so that single runs do not tell them apart.
    """

    deviation: float
    runs: int
    reach: float
    alike: int
    others: int


def spread_of(record: SweepRecord, measure: Measure) -> Spread | None:
    """Compare the best setting with the defaults; None if no other seeds of the best were run."""
    best, default = record.best, record.default
    if best is None or default is None or best.number == default.number:
        return None
    again, defaults = record.again(best.number), (default, *record.again(default.number))
    images = common_images((best, *again, *defaults), measure.name)
    if not again or images is None:
        return None
    ours = _runs(best.number, again, images, measure, chosen=best)
    theirs = _runs(default.number, defaults, images, measure)
    return Spread(
        measure=measure,
        images_seen=images,
        best=ours,
        default=theirs,
        difference=_difference(ours, theirs, measure, images),
    )


def noise_of(record: SweepRecord, measure: Measure) -> Noise | None:
    """How noisy a measure is; None if nothing was repeated."""
    groups = []
    for trial in record.searched:
        runs = (trial, *record.again(trial.number))
        images = common_images(runs, measure.name)
        if images is not None:
            counted = runs[1:] if trial is record.best else runs
            groups.append([_value(run, images, measure) for run in counted])
    deviation, count = pooled_deviation(groups)
    if deviation is None:
        return None
    reach = float(_REPEATABILITY) * deviation
    near = [abs(gap) <= reach for gap in _gaps(record, measure)]
    return Noise(deviation=deviation, runs=count, reach=reach, alike=sum(near), others=len(near))


def pooled_deviation(groups: Sequence[Sequence[float]]) -> tuple[float | None, int]:
    """The standard deviation within groups, and how many numbers it is made of."""
    several = [group for group in groups if len(group) >= _FEWEST]
    count = sum(map(len, several))
    if not several:
        return None, 0
    squares = sum(float(np.var(group)) * len(group) for group in several)
    return math.sqrt(squares / (count - len(several))), count


def _runs(
    number: int, trials: Sequence[Trial], images: int, measure: Measure, chosen: Trial | None = None
) -> Runs:
    return Runs(
        trial=number,
        seeds=tuple(trial.seed for trial in trials),
        values=tuple(_value(trial, images, measure) for trial in trials),
        chosen=None if chosen is None else (chosen.seed, _value(chosen, images, measure)),
    )


def _value(trial: Trial, images: int, measure: Measure) -> float:
    value = trial.at(images, measure.name)
    assert value is not None
    return value


def _difference(ours: Runs, theirs: Runs, measure: Measure, images: int) -> Number:
    sign = 1 if measure.lower_is_better else -1
    counts = len(ours.values), len(theirs.values)
    method = _METHOD.format(measure=measure.words, how=measure.how, n=measure.n, images=images)
    few = min(counts) < _FEWEST
    return Number(
        name=f"{measure.name}_gained_over_defaults",
        value=sign * (theirs.mean - ours.mean),
        n=sum(counts),
        method=method,
        interval=None if few else _welch(ours, theirs, sign),
        interval_level=None if few else LEVEL,
        interval_method=None if few else _INTERVAL,
        details={
            "images_seen": images,
            "runs_of_best": counts[0],
            "runs_of_defaults": counts[1],
            "interval_note": "no interval from a single run" if few else None,
        },
    )


def _welch(ours: Runs, theirs: Runs, sign: int) -> tuple[float, float] | None:
    if not (ours.deviation or theirs.deviation):
        return None
    test = stats.ttest_ind(theirs.values, ours.values, equal_var=False)
    ends = test.confidence_interval(LEVEL)
    low, high = sorted((sign * float(ends.low), sign * float(ends.high)))
    return low, high


def _gaps(record: SweepRecord, measure: Measure) -> list[float]:
    """How far the other trials are from the best, where it was measured last."""
    best = record.best
    if best is None or best.last is None:
        return []
    images, value = best.last.images_seen, best.last.values.get(measure.name, math.nan)
    others = [trial.at(images, measure.name) for trial in record.searched if trial is not best]
    return [other - value for other in others if other is not None]
