"""A trial's files in its run folder: evaluations, decisions, and its outcome.

These files, not Tune's, are the truth about a sweep. They are whole whenever a job is killed, hold
no code, and outlive a change of Ray.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from histosyn.config.file import from_dict, load_toml
from histosyn.config.train import TrainConfig
from hpc.files import make_folder, write_json
from hpc.log import RecordsFile
from hpc.records import Count, Records

Ending = Literal["finished", "stopped", "diverged", "failed"]


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """One measurement: the Fréchet distance after `step` steps."""

    step: Count
    images_seen: Count
    distance: float


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


class TrialFolder:
    """The sweep's files in a trial's run folder.

    `evaluations.jsonl`, `decisions.jsonl` (that it goes on) and `outcome.json` (that it has ended).
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._evaluations = RecordsFile(path / "evaluations.jsonl", _EVALUATIONS)
        self._decisions = RecordsFile(path / "decisions.jsonl", _DECISIONS)
        self._outcome = path / "outcome.json"

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
