"""The best setting beside the defaults, each with several seeds: is it better by more than chance?

The run that was chosen as the best was chosen because its number is good: it flatters its setting.
So what counts are runs of both settings that nothing was chosen by, with the same other seeds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from eval.statistics.paired import paired_difference
from eval.statistics.result import Number
from tune.report.record import Measure, SweepRecord, Trial, common_images

# From two runs of one setting on there is a spread.
_FEWEST = 2
_METHOD = "mean difference of trainings with the same seed, other than the sweep's"
# Of the differences of two single runs, 95 % lie within this many standard deviations of a run.
_REPEATABILITY = stats.norm.ppf(0.975) * math.sqrt(2)


@dataclass(frozen=True, kw_only=True)
class Runs:
    """One setting's runs: values by seed, and that of the sweep itself, which does not count."""

    trial: int
    by_seed: dict[int, float]
    first: float | None = None

    @property
    def mean(self) -> float:
        """The mean of the runs that count."""
        return float(np.mean(list(self.by_seed.values())))


@dataclass(frozen=True, kw_only=True)
class Spread:
    """Both settings, measured at the same number of images seen: the best one less the defaults."""

    measure: Measure
    images_seen: int
    best: Runs
    default: Runs
    difference: Number

    @property
    def gained(self) -> float:
        """By how much the best setting is better; negative if it is worse."""
        sign = -1 if self.measure.lower_is_better else 1
        return sign * (self.difference.value or 0.0)

    @property
    def ends(self) -> tuple[float, float] | None:
        """The interval of what is gained."""
        found = self.difference.interval
        if found is None or not self.measure.lower_is_better:
            return found
        return -found[1], -found[0]


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
    """Compare the best setting with the defaults; None if they were not both repeated."""
    best, default = record.best, record.default
    if best is None or default is None or best is default:
        return None
    ours, theirs = record.again(best.number), record.again(default.number)
    images = common_images((*ours, *theirs), measure.name)
    if not ours or not theirs or images is None:
        return None
    found = [_runs(trial, again, images, measure)
             for trial, again in ((best, ours), (default, theirs))]  # fmt: skip
    name = f"{measure.name}_of_best_less_defaults"
    return Spread(
        measure=measure,
        images_seen=images,
        best=found[0],
        default=found[1],
        difference=paired_difference(name, found[0].by_seed, found[1].by_seed, _METHOD),
    )


def noise_of(record: SweepRecord, measure: Measure) -> Noise | None:
    """How noisy a measure is; None if no setting has two runs that nothing was chosen by."""
    groups = []
    for trial in record.searched:
        again = record.again(trial.number)
        images = common_images(again, measure.name)
        if images is not None:
            groups.append([_value(run, images, measure) for run in again])
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


def _runs(trial: Trial, again: Sequence[Trial], images: int, measure: Measure) -> Runs:
    return Runs(
        trial=trial.number,
        by_seed={run.seed: _value(run, images, measure) for run in again},
        first=trial.at(images, measure.name),
    )


def _value(trial: Trial, images: int, measure: Measure) -> float:
    value = trial.at(images, measure.name)
    assert value is not None
    return value


def _gaps(record: SweepRecord, measure: Measure) -> list[float]:
    """How far the other trials are from the best, where it was measured last."""
    best = record.best
    if best is None or best.last is None:
        return []
    images, value = best.last.images_seen, best.last.values.get(measure.name, math.nan)
    others = [trial.at(images, measure.name) for trial in record.searched if trial is not best]
    return [other - value for other in others if other is not None]
