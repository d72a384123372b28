"""A sweep as plain data: what leaderboard, page and table are drawn from, whoever filled it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

State = Literal["waiting", "running", "finished", "stopped", "diverged", "failed", "unfinished"]
ENDED: frozenset[State] = frozenset({"finished", "stopped", "diverged", "failed"})
DEFAULTS = "defaults"


@dataclass(frozen=True, kw_only=True)
class Measure:
    """Something that trials are ranked by: `name` in records, `words` for people.

    `how` says with what it is measured, `n` on how many tiles; `yardstick` is what real tiles
    reach, and of what. Where there are several, trials are ranked by the weighted mean of ranks.
    """

    name: str
    words: str
    how: str
    n: int
    lower_is_better: bool = True
    weight: float = 1.0
    yardstick: tuple[float, str] | None = None


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A setting that is searched: numbers from `low` to `high`, or one of `choices`."""

    name: str
    low: float = 0.0
    high: float = 1.0
    logarithmic: bool = False
    choices: tuple[Any, ...] = ()

    def place(self, value: Any) -> float:
        """Where a value lies, 0 to 1 inside of what is searched; NaN for one that is not there."""
        if value is None:
            return math.nan
        if self.choices:
            last = max(len(self.choices) - 1, 1)
            return self.choices.index(value) / last if value in self.choices else math.nan
        low, high, at = self.low, self.high, float(value)
        if self.logarithmic:
            if at <= 0:
                return math.nan
            low, high, at = math.log(low), math.log(high), math.log(at)
        return (at - low) / (high - low)


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """What was measured of a trial after `step` steps: values by measure; NaN if one has none."""

    step: int
    images_seen: int
    values: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A trial. `values` are its settings, as far as it has them; `origin` is whence they come.

    `rank` is 1 for the best: those that came furthest come first, by their `objective`; None if it
    has none. `repeats` is the trial that it is
    once more, with another seed; it bears the same number. `step` of `steps` are done.
    `process_seconds` are seconds times processes, None if unknown; `seconds_left` is until its
    last step, if it trains and is not stopped.
    """

    number: int
    values: dict[str, Any]
    state: State
    origin: str = "random"
    seed: int = 0
    repeats: int | None = None
    reason: str | None = None
    rank: int | None = None
    objective: float | None = None
    measurements: tuple[Measurement, ...] = ()
    step: int = 0
    steps: int = 0
    process_seconds: float | None = None
    seconds_left: float | None = None
    precision: str | None = None

    @property
    def last(self) -> Measurement | None:
        """The last measurement, whatever became of the trial."""
        return self.measurements[-1] if self.measurements else None

    def at(self, images_seen: int, measure: str) -> float | None:
        """What was measured at so many images seen; None if it was not."""
        for each in self.measurements:
            if each.images_seen == images_seen and measure in each.values:
                return each.values[measure]
        return None


@dataclass(frozen=True, kw_only=True)
class Tissue:
    """The sample grid of a trial after so many images seen: a PNG in a data address."""

    trial: int
    step: int
    images_seen: int
    picture: str


@dataclass(frozen=True, kw_only=True, eq=False)
class SweepRecord:
    """A sweep. `best_file` is the best setting's configuration, for `histosyn train`; `planned` the
    number of trials, `planned_repeats` that of repeats; some may not be known yet.

    `tissue` are sample grids. `provenance` has rows of name and text, by part.
    """

    name: str
    best_file: str
    measures: tuple[Measure, ...]
    settings: tuple[Setting, ...]
    trials: tuple[Trial, ...]
    planned: int = 0
    planned_repeats: int = 0
    search: str = "random search"
    stopping: str = "none"
    device: str = "cpu"
    notices: tuple[str, ...] = ()
    limits: tuple[str, ...] = ()
    tissue: tuple[Tissue, ...] = ()
    provenance: dict[str, list[tuple[str, str]]] = field(default_factory=dict)

    @property
    def lower_is_better(self) -> bool:
        """Of what trials are ranked by; a weighted rank is the better the lower."""
        return self.measures[0].lower_is_better if len(self.measures) == 1 else True

    @property
    def objective_words(self) -> str:
        """What trials are ranked by, in words."""
        if len(self.measures) == 1:
            return self.measures[0].words
        return "weighted rank"

    @cached_property
    def searched(self) -> tuple[Trial, ...]:
        """The trials that are no repeats, in the order of numbers."""
        found = [trial for trial in self.trials if trial.repeats is None]
        return tuple(sorted(found, key=lambda trial: trial.number))

    @cached_property
    def ranked(self) -> tuple[Trial, ...]:
        """The trials that are no repeats, best first; those without a rank last, by number."""
        return tuple(sorted(self.searched, key=lambda trial: trial.rank or math.inf))

    @property
    def best(self) -> Trial | None:
        """The best trial, if any has a rank."""
        first = self.ranked[0] if self.ranked else None
        return first if first is not None and first.rank is not None else None

    @property
    def default(self) -> Trial | None:
        """The trial of the base configuration as it is, if the sweep tried it."""
        return next((trial for trial in self.searched if trial.origin == DEFAULTS), None)

    def again(self, number: int) -> tuple[Trial, ...]:
        """The repeats of a trial, by their seeds."""
        found = [trial for trial in self.trials if trial.repeats == number]
        return tuple(sorted(found, key=lambda trial: trial.seed))

    def counted(self, *states: State) -> int:
        """How many trials are in these states."""
        return sum(trial.state in states for trial in self.trials)


def setting_text(value: Any) -> str:
    """A value of a setting as people read it."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def common_images(trials: Sequence[Trial], measure: str) -> int | None:
    """The most images seen at which all of these trials were measured; None without any."""
    seen = [{each.images_seen for each in trial.measurements if measure in each.values}
            for trial in trials]  # fmt: skip
    return max(set.intersection(*seen), default=None) if seen else None
