"""Asynchronous successive halving that a restart doesn't set back.

Li et al., "A system for massively parallel hyperparameter tuning", MLSys 2020: after the grace
period, and each time a trial has taken `reduction_factor` times as many steps, it goes on only if
it is among the best 1/`reduction_factor` of those that have come that far.
"""

from __future__ import annotations

from dataclasses import asdict
from types import SimpleNamespace
from typing import Any

from ray.tune.schedulers import ASHAScheduler, TrialScheduler

from tune.config import Sweep
from tune.trial_folder import Outcome, TrialFolder


class Halving(ASHAScheduler):
    """ASHA over a sweep's trials.

    Ray's own forgets what it has seen when a sweep is restored. This one learns it again from the
    trials' folders, and writes down each decision before it is carried out. A measurement that a
    kill left without one counts for the others, and is decided on when the trial tells it again.
    """

    def __init__(self, sweep: Sweep) -> None:
        super().__init__(
            time_attr="step",
            metric="distance",
            mode="min",
            max_t=sweep.train.run.steps,
            grace_period=sweep.sweep.grace_period,
            reduction_factor=sweep.sweep.reduction_factor,
        )
        self._sweep = sweep
        # By trial: the step that is still to be decided on, and where its distance is noted.
        self._undecided: dict[str, tuple[int, list[dict[str, float]]]] = {}
        for number in range(sweep.sweep.samples):
            if not self._folder(number).is_open:
                self._recall(None, SimpleNamespace(trial_id=f"ended earlier: {number}"), number)

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        """Take up a trial, with what was measured before a restart."""
        self._recall(tune_controller, trial, trial.config["number"])

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """Let the trial go on, or stop it. After its last step it ends by itself."""
        step, noted = self._undecided.pop(trial.trial_id, (None, []))
        if step == result["step"]:
            # A trial is not compared with itself.
            for distances in noted:
                del distances[trial.trial_id]
        decision = super().on_trial_result(tune_controller, trial, result)
        folder = self._folder(trial.config["number"])
        if decision != TrialScheduler.STOP or result["step"] >= self._sweep.train.run.steps:
            folder.add_decision(result["step"])
            return TrialScheduler.CONTINUE
        folder.conclude(Outcome(status="stopped"))
        return decision

    def _recall(self, tune_controller: Any, trial: Any, number: int) -> None:
        super().on_trial_add(tune_controller, trial)
        folder = self._folder(number)
        decided = folder.decided_step() if folder.is_open else self._sweep.train.run.steps
        for evaluation in folder.evaluations().values():
            before = self._noted(trial)
            super().on_trial_result(tune_controller, trial, asdict(evaluation))
            if evaluation.step > decided:
                new = [each for each in self._noted(trial) if all(each is not b for b in before)]
                self._undecided[trial.trial_id] = (evaluation.step, new)

    def _noted(self, trial: Any) -> list[dict[str, float]]:
        """The rungs' distances by trial, of those rungs that this trial has reached."""
        rungs = [distances for bracket in self._brackets for _, distances in bracket._rungs]
        return [distances for distances in rungs if trial.trial_id in distances]

    def _folder(self, number: int) -> TrialFolder:
        return TrialFolder(self._sweep.trial_folder(number))
