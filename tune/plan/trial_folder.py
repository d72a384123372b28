"""A trial's files in its run folder: what it is, evaluations, decisions, times, and its outcome.

These files, not Tune's, are the truth about a sweep. They are whole whenever a job is killed, hold
no code, and outlive a change of Ray.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from histosyn.config.file import from_dict, load_toml
from histosyn.config.train import TrainConfig
from hpc.files import make_folder, write_json
from hpc.log import RecordsFile
from hpc.records import Count, Records, Seconds

Ending = Literal["finished", "stopped", "diverged", "failed"]
# Where a trial's values come from: the base configuration, the file's [[start]], or a sampler.
Origin = Literal["defaults", "start", "random", "grid", "tpe"]
# The number of a trial, and the seed it is repeated with, if it is.
Turn = tuple[int, int | None]


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What was known of a trial when another's values were suggested.

    It had been measured up to `place`, in steps of the base configuration (0: not yet), and had
    ended so, or not.
    """

    trial: Count
    place: Count
    ending: Ending | None = None


@dataclass(frozen=True, kw_only=True)
class Suggestion:
    """What a trial is, from before it starts: its values by dotted field, and their origin.

    `seed` is that of its training. `repeats` is the number of the trial that it repeats with
    another seed, if it does. `learnt_from` is all that the sampler knew.
    """

    number: Count
    origin: Origin
    values: dict[str, Any]
    seed: int
    repeats: Count | None = None
    learnt_from: tuple[Seen, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """One measurement after `step` steps: the values of the objective's measures by name.

    Sweeps of before there were several measured a distance only. It is None where none is measured.
    """

    step: Count
    images_seen: Count
    distance: float | None
    values: dict[str, float] = field(default_factory=dict)

    @property
    def measured(self) -> dict[str, float]:
        """The values by measure, in whichever version it was written."""
        return self.values or ({} if self.distance is None else {"distance": self.distance})


@dataclass(frozen=True, kw_only=True)
class Spent:
    """Seconds that a trial's process has spent until the measurement at `step`, since the one
    before or since it began; what a kill cost is not in them.
    """

    step: Count
    seconds: Seconds


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a trial ended; `reason` says why if it diverged or failed."""

    status: Ending
    reason: str | None = None

    @property
    def is_final(self) -> bool:
        """Whether another try would be in vain, or a waste."""
        return self.status != "failed"


@dataclass(frozen=True, kw_only=True)
class Decision:
    """That the trial goes on after its measurement at `step`."""

    step: Count
    decision: Literal["go on"]


# A sweep does not go on without them: it would stop other trials than it would have.
_REMEDY = "Restore it from a copy; or remove the trial's folder, and the trial is run anew."
_EVALUATIONS = Records(kind=Evaluation, remedy=_REMEDY, finite=False)
_DECISIONS = Records(kind=Decision, remedy=_REMEDY)
_OUTCOMES = Records(kind=Outcome, remedy="Delete it: the trial then goes on.")
_SUGGESTIONS = Records(kind=Suggestion, remedy=_REMEDY)
_TIMES = Records(kind=Spent, remedy="Delete it: only the hours spent are told by it.")


class TrialFolder:
    """The sweep's files in a trial's run folder.

    `trial.json` (what it is), `evaluations.jsonl`, `times.jsonl`, `decisions.jsonl` (that it goes
    on) and `outcome.json` (that it has ended).
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._evaluations = RecordsFile(path / "evaluations.jsonl", _EVALUATIONS)
        self._decisions = RecordsFile(path / "decisions.jsonl", _DECISIONS)
        self._times = RecordsFile(path / "times.jsonl", _TIMES)
        self._outcome = path / "outcome.json"
        self._suggestion = path / "trial.json"

    def suggestion(self) -> Suggestion | None:
        """What the trial is; None if it was not decided, or before that was written down."""
        if not self._suggestion.is_file():
            return None
        return _SUGGESTIONS.read(self._suggestion)

    def suggest(self, suggestion: Suggestion) -> None:
        """Write down what the trial is going to be."""
        make_folder(self.path)
        write_json(self._suggestion, asdict(suggestion))

    def seconds(self) -> float:
        """What its processes have spent on it, as far as measurements came of it."""
        return float(sum(record["seconds"] for record in self._times.read()))

    def add_seconds(self, step: int, seconds: float) -> None:
        """Note what was spent until the measurement at `step`, since the last note."""
        self._times.append({"step": step, "seconds": seconds})

    def evaluations(self) -> dict[int, Evaluation]:
        """All measurements by step, in the order of steps."""
        found = map(_EVALUATIONS.convert, self._evaluations.read())
        return {each.step: each for each in sorted(found, key=lambda each: each.step)}

    def precision(self) -> str | None:
        """What the trial is computed in; None if it has not begun."""
        config = self.path / "config.toml"
        if not config.is_file():
            return None
        return from_dict(TrainConfig, load_toml(config), str(config)).run.precision

    def decided_step(self) -> int:
        """Up to which step's measurement it is decided that the trial goes on; 0 for none.

        It was so for each measurement that others came after, whether or not that was noted.
        """
        noted = [record["step"] for record in self._decisions.read()]
        return max([0, *noted, *list(self.evaluations())[:-1]])

    def add_decision(self, step: int) -> None:
        """Note that the trial goes on after its measurement at `step`."""
        make_folder(self.path)
        self._decisions.append({"step": step, "decision": "go on"})

    def add(self, evaluation: Evaluation) -> None:
        """Append a measurement."""
        self._evaluations.append(asdict(evaluation))

    @property
    def is_open(self) -> bool:
        """Whether the trial is still to be run, to go on, or to be tried again."""
        outcome = self.outcome()
        return outcome is None or not outcome.is_final

    def outcome(self) -> Outcome | None:
        """How the trial ended, or None if it hasn't."""
        if not self._outcome.is_file():
            return None
        return _OUTCOMES.read(self._outcome)

    def conclude(self, outcome: Outcome) -> None:
        """Record the end."""
        write_json(self._outcome, asdict(outcome))
