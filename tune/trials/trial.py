"""One trial: a real training run that is measured on the way. Runs in a process of its own."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import ray.tune
import torch

from histosyn.models.folder import load_model
from histosyn.networks.generator import Generator
from histosyn.training.run import run_training
from histosyn.training.trainer import Trainer
from hpc import checkpoint
from hpc.errors import HistosynError, TrainingDivergedError
from hpc.process_group import device_of
from hpc.run_folder_names import CHECKPOINTS
from hpc.topology import Topology
from tune.measuring.evaluation import Evaluator
from tune.plan.config import Candidate, Sweep
from tune.plan.trial_folder import Evaluation, Outcome, TrialFolder


class Evaluate:
    """Observer that measures the moving average's tissue and tells Tune.

    A step that was measured before a restart isn't measured again: it would give the same number.
    """

    def __init__(
        self,
        evaluator: Evaluator,
        folder: TrialFolder,
        candidate: Candidate,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.evaluator = evaluator
        self.folder = folder
        self.batch_size = candidate.training.data.global_batch
        self.interval = candidate.evaluate_every
        self.known = folder.evaluations()
        self._now = now
        self._since = now()

    def tell_last(self) -> None:
        """Tell Tune the last measurement again: a kill may have come before what follows from it.

        Tune may end the process in the report.
        """
        if self.known:
            ray.tune.report(asdict(self.known[max(self.known)]))

    def __call__(self, trainer: Trainer) -> None:
        """Measure and report; Tune may end the process in the report."""
        self.at(trainer.step, trainer.averaged_generator())

    def at(self, step: int, generator: Generator) -> None:
        """Measure a generator after `step` steps, unless that was done, and report."""
        if step not in self.known:
            values = self.evaluator.values(generator, self.batch_size)
            self.known[step] = Evaluation(
                step=step,
                images_seen=step * self.batch_size,
                distance=values.get("distance"),
                values=values,
            )
            self.folder.add(self.known[step])
            self._note_seconds(step)
        ray.tune.report(asdict(self.known[step]))

    def _note_seconds(self, step: int) -> None:
        until = self._now()
        self.folder.add_seconds(step, until - self._since)
        self._since = until


def run_trial(config: dict[str, Any], sweep: Sweep) -> None:
    """Train candidate `config["number"]`, or go on from its newest checkpoint.

    With a `config["seed"]` it is repeated with that one.

    What is wrong with the candidate or the data would be so again: it is written down as the
    outcome. Any other error leaves the process, and Tune tries again.
    """
    number, seed = config["number"], config.get("seed")
    folder = TrialFolder(sweep.trial_folder(number, seed))
    try:
        suggestion = sweep.known_suggestion(number) if seed is None else sweep.repeat(number, seed)
        assert suggestion is not None, "it was written down before it was started"
        candidate = sweep.candidate_of(suggestion)
        _train_and_measure(candidate, folder, sweep)
        outcome = Outcome(status="finished")
    except TrainingDivergedError as error:
        outcome = Outcome(status="diverged", reason=str(error))
    except HistosynError as error:
        outcome = Outcome(status="failed", reason=str(error))
    folder.conclude(outcome)


def _train_and_measure(candidate: Candidate, folder: TrialFolder, sweep: Sweep) -> None:
    training = candidate.training
    device = device_of(Topology(), training.run.device)
    evaluator = Evaluator(sweep.sweep, sweep.objective, device)
    evaluate = Evaluate(evaluator, folder, candidate)
    evaluate.tell_last()
    _measure_newest(evaluate, training.run.folder / CHECKPOINTS, device)
    model = run_training(training, (lambda _config, _topology: evaluate,))
    # A kill between the last checkpoint and its measurement leaves a run that has no step to take.
    if training.run.steps not in evaluate.known:
        evaluate.at(training.run.steps, load_model(model, device).network)


def _measure_newest(evaluate: Evaluate, checkpoints: Path, device: torch.device) -> None:
    """Measure what the trial goes on from, if a kill came between it and its measurement.

    What was written to resume from only has no batch statistics; the run makes up for it.
    """
    newest = checkpoint.newest_valid(checkpoints)
    if newest is None or checkpoint.is_resume_only(newest):
        return
    (step,) = [step for step, path in checkpoint.steps(checkpoints).items() if path == newest]
    if step % evaluate.interval == 0 and step not in evaluate.known:
        evaluate.at(step, load_model(newest, device).network)
