"""How many readers and images a study needs: widths and power by simulated studies."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import brentq

from eval.discrimination.outcomes import CHANCE, measure
from eval.discrimination.random_readers import Pooled, pooled
from eval.discrimination.simulated import Readers
from eval.statistics.bootstrap import keyed_random
from hpc.errors import InputError

LEVEL = 0.95
_LARGEST_DPRIME = 6.0


@dataclass(frozen=True, kw_only=True)
class Planned:
    """A size of study: what so many `studies` of it gave.

    `half_width`: mean of half the 95 % interval, where readers cannot tell. `power`: share of those
    studies that show equivalence. `false`: share that show it although readers are exactly a margin
    away from chance: 5 % at most. `coverage`: share of the intervals that hold the truth.
    """

    readers: int
    images: int
    studies: int
    half_width: float
    power: float
    false: float
    coverage: float


def plan(
    outcome: str,
    readers: Sequence[int],
    images: Sequence[int],
    margin: float,
    population: Readers,
    *,
    studies: int = 500,
    seed: int = 0,
    done: Callable[[int], None] = lambda _: None,
) -> Iterator[Planned]:
    """A row for each pair of `readers` and `images`; `done` is told how many there are.

    Raises InputError for an outcome without a chance value, or a margin that none can reach.
    """
    if outcome not in CHANCE:
        raise InputError(f"{outcome} has no chance value: plan for {', '.join(CHANCE)}.")
    null = replace(population, dprime=0.0)
    edge = at_margin(outcome, margin, population)
    truth = null.expected(outcome)
    for number, (count, size) in enumerate((r, i) for r in readers for i in images):
        found = list(simulated_means(outcome, null, count, size, studies, (seed, 0)))
        beyond = simulated_means(outcome, edge, count, size, studies, (seed, 1))
        intervals = np.array([one.interval(LEVEL) or (one.value,) * 2 for one in found])
        yield Planned(
            readers=count,
            images=size,
            studies=studies,
            half_width=float((intervals[:, 1] - intervals[:, 0]).mean() / 2),
            power=_shown(found, outcome, margin),
            false=_shown(list(beyond), outcome, margin),
            coverage=float(((intervals[:, 0] <= truth) & (truth <= intervals[:, 1])).mean()),
        )
        done(number + 1)


def simulated_means(
    outcome: str,
    population: Readers,
    readers: int,
    images: int,
    studies: int,
    key: tuple[int, ...],
) -> Iterator[Pooled]:
    """The mean of readers in each of so many studies."""
    random = keyed_random((*key, readers, images))
    draw = population.pairs if outcome == "pairs" else population.panel
    for _ in range(studies):
        panel = draw(readers, images, random)
        found = measure(outcome, panel)
        whole = pooled(found.values_R, found.covariances(panel))
        assert whole is not None, "every simulated reader reads everything"
        yield whole


def at_margin(outcome: str, margin: float, population: Readers) -> Readers:
    """The same readers, of a d' by which they are exactly `margin` above chance."""

    def above(dprime: float) -> float:
        return replace(population, dprime=dprime).expected(outcome) - CHANCE[outcome] - margin

    if above(_LARGEST_DPRIME) <= 0:
        raise InputError(f"No reader is {margin:g} better than chance in {outcome}.")
    return replace(population, dprime=float(brentq(above, 0.0, _LARGEST_DPRIME, xtol=1e-4)))


def _shown(found: Sequence[Pooled], outcome: str, margin: float) -> float:
    tests = [one.equivalence(CHANCE[outcome], margin) for one in found]
    return float(np.mean([test is not None and test["equivalent"] for test in tests]))
