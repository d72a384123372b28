"""Which trials are stopped early: pure functions of what is known of all trials.

What trials cost stands in tables by place (steps of the base configuration) and trial, so that a
restart, which reads the tables anew, decides as if it had not been.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from tune.plan.objective import Objective

# The values of a trial's measures by place, in the order of places.
Course = Mapping[int, Mapping[str, float]]
Courses = Mapping[str, Course]

# Fewer others say nothing of a median.
_FEWEST_OTHERS = 3


def rungs(grace_period: int, factor: float, last: int) -> list[float]:
    """The places after which trials are compared, the first one first."""
    count = int(np.log(last / grace_period) / np.log(factor) + 1)
    return [grace_period * factor**rung for rung in range(count)]


def halving_stops(
    courses: Courses, trial: str, place: int, rungs: list[float], factor: float, by: Objective
) -> bool:
    """Whether successive halving stops a trial at its measurement at `place`.

    Li et al., "A system for massively parallel hyperparameter tuning", MLSys 2020: after each rung
    it goes on only if it is among the best 1/`factor` of those that have come that far. It is
    judged once a rung, by its first measurement there, and compared with those that are known.
    """
    reached = [rung for rung in rungs if _first_at(courses[trial], rung) == place]
    if not reached:
        return False
    rung = reached[-1]
    there = {name: course[first] for name, course in courses.items()
             if (first := _first_at(course, rung)) is not None}  # fmt: skip
    costs = dict(zip(there, by.costs(list(there.values())), strict=True))
    own = costs.pop(trial)
    others = [cost for cost in costs.values() if math.isfinite(cost)]
    return bool(others) and own > float(np.percentile(others, 100 / factor))


def median_stops(
    courses: Courses, trial: str, place: int, grace_period: int, by: Objective
) -> bool:
    """Whether the median rule stops a trial at its measurement at `place`.

    Golovin et al., "Google Vizier", KDD 2017: after the grace period it goes on only if its best
    measurement is as good as the median, over the others that have come that far, of their means.
    """
    if place < grace_period:
        return False
    costs = _costs_by_trial(courses, place, by)
    own = min(costs.pop(trial))
    others = [float(np.mean(each)) for name, each in costs.items()
              if max(courses[name], default=0) >= place]  # fmt: skip
    others = [cost for cost in others if math.isfinite(cost)]
    return len(others) >= _FEWEST_OTHERS and own > float(np.median(others))


def _first_at(course: Course, rung: float) -> int | None:
    """The place of the first measurement in a rung."""
    return next((place for place in course if place >= rung), None)


def _costs_by_trial(courses: Courses, until: int, by: Objective) -> dict[str, list[float]]:
    """What each trial's measurements cost, among those at the same place."""
    found: dict[str, list[float]] = {}
    places = sorted({place for course in courses.values() for place in course if place <= until})
    for place in places:
        there = {name: course[place] for name, course in courses.items() if place in course}
        for name, cost in zip(there, by.costs(list(there.values())), strict=True):
            found.setdefault(name, []).append(cost)
    return found
