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
    trials' folders, and writes down the decision to stop a trial before it is carried out.
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
        for number in range(sweep.sweep.samples):
            if not self._folder(number).is_open:
                self._recall(None, SimpleNamespace(trial_id=f"ended earlier: {number}"), number)

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        """Take up a trial, with what was measured before a restart."""
        self._recall(tune_controller, trial, trial.config["number"])

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """Let the trial go on, or stop it. After its last step it ends by itself."""
        decision = super().on_trial_result(tune_controller, trial, result)
        if decision != TrialScheduler.STOP or result["step"] >= self._sweep.train.run.steps:
            return TrialScheduler.CONTINUE
        self._folder(trial.config["number"]).conclude(Outcome(status="stopped"))
        return decision

    def _recall(self, tune_controller: Any, trial: Any, number: int) -> None:
        super().on_trial_add(tune_controller, trial)
        for evaluation in self._folder(number).evaluations().values():
            super().on_trial_result(tune_controller, trial, asdict(evaluation))

    def _folder(self, number: int) -> TrialFolder:
        return TrialFolder(self._sweep.trial_folder(number))
