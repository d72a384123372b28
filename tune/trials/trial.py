"""One trial: a real training run that is measured on the way. Runs in a process of its own, or in
several, of which the first measures.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import ray.tune

from histosyn.models.folder import load_model
from histosyn.networks.generator import Generator
from histosyn.training.run import run_training
from histosyn.training.trainer import Trainer
from hpc import checkpoint, collectives
from hpc.errors import (
    FullDiskError,
    HistosynError,
    InputError,
    LostProcessError,
    TrainingDivergedError,
)
from hpc.locks import locked
from hpc.preemption import Stopped
from hpc.process_group import device_of
from hpc.run_folder_names import CHECKPOINTS
from hpc.topology import Topology
from tune.measuring.evaluation import Evaluator
from tune.plan.config import Candidate, Sweep
from tune.plan.trial_folder import Evaluation, Outcome, TrialFolder
from tune.trials.stop import StopOfTrial, require_not_asked, telling_of_a_full_disk

# File servers take a minute or two to give back the locks of a node that was lost.
_LOCK_SECONDS = 300

# Tells Tune a measurement, and returns once it is decided that the trial goes on.
Tell = Callable[[dict[str, Any]], None]


class Measurements:
    """Measures the moving average's tissue at steps of a trial, and tells Tune.

    A step that was measured before a restart isn't measured again: it would give the same number.
    """

    def __init__(
        self,
        evaluator: Evaluator,
        folder: TrialFolder,
        candidate: Candidate,
        *,
        tell: Tell,
        processes: int = 1,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.evaluator = evaluator
        self.folder = folder
        self.batch_size = candidate.training.data.global_batch
        self.known = folder.evaluations()
        self._tell = tell
        self._processes = processes
        self._now = now
        self._since = now()

    def tell_last(self) -> None:
        """Tell Tune the last measurement again: a kill may have come before what follows from it.

        Tune may end the process when it is told.
        """
        if self.known:
            self._tell(asdict(self.known[max(self.known)]))

    def at(self, step: int, generator: Generator) -> None:
        """Measure a generator after `step` steps, unless that was done, and tell Tune."""
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
        self._tell(asdict(self.known[step]))

    def _note_seconds(self, step: int) -> None:
        until = self._now()
        self.folder.add_seconds(step, (until - self._since) * self._processes)
        self._since = until


class Measure:
    """Observer that has the first rank measure; the others wait, however long that takes."""

    def __init__(self, interval: int, at: Callable[[int, Generator], None]) -> None:
        self.interval = interval
        self._at = at

    def __call__(self, trainer: Trainer) -> None:
        """Count the average's batch statistics on all ranks, and measure it on one."""
        generator = trainer.averaged_generator()
        collectives.run_on_rank_0(partial(self._at, trainer.step, generator))


def candidate_of(config: dict[str, Any], sweep: Sweep) -> Candidate:
    """Candidate `config["number"]`; with a `config["seed"]` it is repeated with that one."""
    number, seed = config["number"], config.get("seed")
    suggestion = sweep.known_suggestion(number) if seed is None else sweep.repeat(number, seed)
    assert suggestion is not None, "it was written down before it was started"
    return sweep.candidate_of(suggestion)


def train(candidate: Candidate, sweep: Sweep, at: Callable[[int, Generator], None]) -> Path:
    """Train, or go on from the newest checkpoint, and call `at` on the first rank where it is to be
    measured; returns the model's path. Every rank calls it.
    """
    measure = Measure(candidate.evaluate_every, at)
    before_end = candidate.training.run.stop_seconds_before_end
    with StopOfTrial(sweep.sweep.folder, seconds_before_end=before_end) as stop:
        return run_training(candidate.training, (lambda _config, _topology: measure,), stop)


class MeasuredTraining:
    """A candidate's training, and what a kill may have left unmeasured before and after it."""

    def __init__(self, candidate: Candidate, sweep: Sweep, tell: Tell) -> None:
        self._candidate = candidate
        self._sweep = sweep
        self._run = candidate.training.run
        self._device = device_of(Topology(), self._run.device)
        self._measurements = Measurements(
            Evaluator(sweep.sweep, sweep.objective, self._device),
            TrialFolder(self._run.folder),
            candidate,
            tell=tell,
            processes=sweep.sweep.processes_per_trial,
        )
        self._model: Path | None = None

    def make_up(self) -> None:
        """Tell the last measurement, and measure what the trial goes on from, if a kill came
        between it and its measurement.

        What was written to resume from only has no batch statistics; the run makes up for it.
        """
        require_not_asked(self._sweep.sweep.folder)
        _wait_for_the_one_before(self._run.folder)
        self._measurements.tell_last()
        checkpoints = self._run.folder / CHECKPOINTS
        newest = checkpoint.newest_valid(checkpoints)
        if newest is None or checkpoint.is_resume_only(newest):
            return
        (step,) = [step for step, path in checkpoint.steps(checkpoints).items() if path == newest]
        if step % self._candidate.evaluate_every == 0 and step not in self._measurements.known:
            self._measurements.at(step, load_model(newest, self._device).network)

    def train(self) -> None:
        """Train to the end, and measure on the way."""
        self._model = train(self._candidate, self._sweep, self._measurements.at)

    def measure_model(self) -> None:
        """Measure what came of it, if a kill came between the last checkpoint and its measurement:
        the run had no step to take then.
        """
        assert self._model is not None, "it was trained"
        if self._run.steps not in self._measurements.known:
            self._measurements.at(self._run.steps, load_model(self._model, self._device).network)


def ended_badly(work: Callable[[], None], folder: Path) -> Outcome | None:
    """Do some of a trial's work: None if it went well, else how the trial ended.

    What is wrong with the candidate or the data would be so again. Any other error leaves the
    process, and Tune tries again; so do the loss of a process of several, and a full disk.
    """
    try:
        with telling_of_a_full_disk(folder):
            work()
    except (LostProcessError, FullDiskError):
        raise
    except TrainingDivergedError as error:
        return Outcome(status="diverged", reason=str(error))
    except HistosynError as error:
        return Outcome(status="failed", reason=str(error))
    return None


def run_trial(config: dict[str, Any], sweep: Sweep) -> None:
    """Train a candidate in this process, or go on from its newest checkpoint, and write down how it
    ended. One that was asked to stop has saved, and has no outcome.
    """

    def work() -> None:
        training = MeasuredTraining(candidate_of(config, sweep), sweep, ray.tune.report)
        training.make_up()
        training.train()
        training.measure_model()

    folder = TrialFolder(sweep.trial_folder(config["number"], config.get("seed")))
    with suppress(Stopped):
        outcome = ended_badly(work, folder.path)
        with telling_of_a_full_disk(folder.path):
            folder.conclude(outcome or Outcome(status="finished"))


def _wait_for_the_one_before(folder: Path) -> None:
    """Until the process is gone that had this trial before: its node may be lost to Ray, and still
    train, or its lock outlive it.
    """
    until = time.monotonic() + _LOCK_SECONDS
    busy = f"Another process is training in {folder}."

    def before_each_look() -> None:
        if time.monotonic() > until:
            raise InputError(f"{busy} It has not ended for {_LOCK_SECONDS} seconds: end it.")

    risk = f"Let no other process train in {folder}."
    with locked(folder / "lock", busy=busy, risk=risk, wait=True, before=before_each_look):
        pass
