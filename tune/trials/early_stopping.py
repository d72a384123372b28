"""Stopping trials early under Ray Tune, in a way that a restart doesn't set back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from tune.plan.config import Sweep
from tune.plan.trial_folder import Outcome, TrialFolder
from tune.search.stopping import halving_stops, median_stops, rungs
from tune.trials.stop import StopOfSweep


class EarlyStopping(FIFOScheduler):
    """The sweep's rule (`sweep.stopping`) over its trials.

    What is known of them is read from their folders, and each decision is written down before it is
    carried out. A measurement that a kill left without one counts for the others, and is decided on
    when the trial tells it again. The defaults are never stopped: others are compared with them.
    """

    def __init__(self, sweep: Sweep, stop: StopOfSweep) -> None:
        super().__init__()
        self._sweep = sweep
        self._stop = stop
        settings = sweep.sweep
        self._rungs = rungs(settings.grace_period, settings.reduction_factor, sweep.train.run.steps)
        self._courses: dict[str, dict[int, Mapping[str, float]]] = {}
        self._decided: dict[str, int] = {}
        for number in range(settings.samples):
            self._recall(number)

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """Let the trial go on, or stop it. After its last step it ends by itself.

        A full disk that cannot take the decision stops the sweep; it is taken when that goes on.
        """
        with self._stop.at_a_full_disk():
            return self._decision(trial, result)
        return str(TrialScheduler.CONTINUE)

    def _decision(self, trial: Any, result: dict[str, Any]) -> str:
        number, step = trial.config["number"], result["step"]
        name, place = str(number), self._sweep.place(step, result["images_seen"])
        values = result.get("values") or {"distance": result["distance"]}
        course = self._courses.setdefault(name, {})
        course[place] = values
        if place >= self._sweep.train.run.steps:
            self._go_on(number, step)
            return str(TrialScheduler.CONTINUE)
        spared = self._sweep.candidate(number).origin == "defaults"
        if step <= self._decided.get(name, 0) or spared or not self._stops(name, place):
            self._go_on(number, step)
            return str(TrialScheduler.CONTINUE)
        self._folder(number).conclude(Outcome(status="stopped"))
        return str(TrialScheduler.STOP)

    def _stops(self, name: str, place: int) -> bool:
        settings, objective = self._sweep.sweep, self._sweep.objective
        if settings.stopping == "asha":
            factor = settings.reduction_factor
            return halving_stops(self._courses, name, place, self._rungs, factor, objective)
        if settings.stopping == "median":
            return median_stops(self._courses, name, place, settings.grace_period, objective)
        return False

    def _go_on(self, number: int, step: int) -> None:
        self._folder(number).add_decision(step)
        self._decided[str(number)] = max(step, self._decided.get(str(number), 0))

    def _recall(self, number: int) -> None:
        folder = self._folder(number)
        self._courses[str(number)] = {
            self._sweep.place(each.step, each.images_seen): each.measured
            for each in folder.evaluations().values()
        }
        if folder.is_open:
            self._decided[str(number)] = folder.decided_step()

    def _folder(self, number: int) -> TrialFolder:
        return TrialFolder(self._sweep.trial_folder(number))
