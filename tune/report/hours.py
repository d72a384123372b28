"""What a sweep has cost, and what it would have cost without trials that ended early."""

from __future__ import annotations

from dataclasses import dataclass

from tune.report.record import State, SweepRecord, Trial

_HOUR = 3600.0
_EARLY: tuple[State, ...] = ("stopped", "diverged")


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Hours times processes of one trial; `left` is what its remaining steps would have cost."""

    trial: Trial
    spent: float
    left: float

    @property
    def saved(self) -> float:
        """What was not spent because the trial ended early: stopped as one of the worse, or not
        finite. What failed for other reasons saved nothing.
        """
        return self.left if self.trial.state in _EARLY else 0.0


def costs_of(record: SweepRecord) -> list[Cost]:
    """The costs of all trials whose time is known, in the order of numbers and seeds.

    The remaining steps are reckoned at the trial's own seconds a step, measurements included.
    """
    known = [trial for trial in record.trials if trial.process_seconds]
    return [_cost(trial) for trial in sorted(known, key=lambda one: (one.number, one.seed))]


def _cost(trial: Trial) -> Cost:
    spent = (trial.process_seconds or 0.0) / _HOUR
    left = spent * (trial.steps - trial.step) / trial.step if trial.step else 0.0
    return Cost(trial=trial, spent=spent, left=max(left, 0.0))


def unit_of(record: SweepRecord) -> str:
    """What hours times processes are called."""
    return "GPU-hours" if record.device == "cuda" else "process-hours"
