"""Observers (callbacks) of any training loop: reports, checkpoints, heartbeats, progress.

Every rank calls every observer, because some of them talk to all ranks; only rank 0 writes.
"""

from __future__ import annotations

import math
import resource
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any, Protocol

import torch

from histosyn.training.step_means import StepMeans
from histosyn.training.steps import StepTrainer, diverged
from hpc import checkpoint
from hpc.async_checkpoint import AsyncSaver
from hpc.deferred_writes import DeferredWrites
from hpc.log import RecordsFile, key_values, logger
from hpc.progress import ProgressLog, timed
from hpc.run_state import RunStateWriter
from hpc.timer import Timer
from hpc.topology import Topology
from hpc.watchdog import Watchdog

_GIB = 1 << 30
_STATE_SECONDS = 15.0
# Of what is measured besides losses, what shows at a glance whether training is balanced.
_WORTH_A_LOOK = ("discriminator_accuracy",)


class Report:
    """Averages the metrics of the steps and writes one object to `metrics.jsonl`.

    The sums since the last report go into each checkpoint, as `carried`: after a restart the next
    report is the same as without it.
    """

    def __init__(
        self,
        metrics: RecordsFile,
        deferred_writes: DeferredWrites,
        topology: Topology,
        interval: int,
        carried: dict[str, Any] | None = None,
    ) -> None:
        self.metrics = metrics
        self.deferred_writes = deferred_writes
        self.topology = topology
        self.report_interval = interval
        # Called after each step, to add it up.
        self.interval = 1
        self._forget()
        if carried is not None:
            self._means = StepMeans(carried["means"])
            self._steps = carried["steps"]
            self._waited_seconds = carried["waited_seconds"]
            self._started -= carried["seconds"]

    def __call__(self, trainer: StepTrainer) -> None:
        """Add up a step; at the end of an interval agree on the means and report them."""
        facts = trainer.facts
        assert facts is not None
        losses = {f"loss/{name}": value for name, value in facts.losses.items()}
        self._means.add(trainer.step, losses | trainer.diagnostics)
        self._waited_seconds += facts.waited_seconds
        self._steps += 1
        if trainer.step % self.report_interval and not trainer.finished:
            return
        record = self._record(trainer)
        if self.topology.is_first:
            self.deferred_writes.write(self.metrics.path, partial(self.metrics.append, record))
            logger.info("%s", key_values({name: record[name] for name in _line(record)}))
        broken = self._means.first_broken()
        self._forget()
        if broken is not None:
            raise diverged(*broken)

    def before_checkpoint(self, trainer: StepTrainer) -> None:
        """Put the sums since the last report into the checkpoint. Every rank calls it."""
        if self._steps:
            trainer.carried["report"] = self._so_far()
        else:
            trainer.carried.pop("report", None)

    def _record(self, trainer: StepTrainer) -> dict[str, Any]:
        seconds = time.perf_counter() - self._started
        images = self._steps * trainer.config.data.global_batch
        remaining = trainer.config.run.steps - trainer.step
        return {
            "step": trainer.step,
            "images_seen": trainer.images_seen,
            **self._finite_means(),
            **trainer.learning_rates(),
            "images_per_second": images / seconds,
            "images_per_second_per_rank": images / seconds / self.topology.world_size,
            "data_wait_share": self._waited_seconds / seconds,
            "precision": trainer.config.run.precision,
            "peak_memory_gib": _peak_memory_gib(trainer.device),
            "eta_seconds": round(remaining * seconds / self._steps),
        }

    def _finite_means(self) -> dict[str, float | None]:
        """Means over the interval's steps and all ranks; None where one isn't finite (JSON)."""
        return {
            name: mean if math.isfinite(mean) else None
            for name, mean in self._means.means().items()
        }

    def _so_far(self) -> dict[str, Any]:
        return {
            "means": self._means.state(),
            "steps": self._steps,
            "waited_seconds": self._waited_seconds,
            "seconds": time.perf_counter() - self._started,
        }

    def _forget(self) -> None:
        self._means = StepMeans()
        self._waited_seconds = 0.0
        self._steps = 0
        self._started = time.perf_counter()


class BufferedObserver(Protocol):
    """An observer with a buffer that must be written before a checkpoint is."""

    def before_checkpoint(self, trainer: StepTrainer) -> None:
        """Write the buffer, or put it into `trainer.carried`; every rank calls it."""


class Savable(Protocol):
    """What is saved in a checkpoint. Every rank calls its methods."""

    def prepare(self) -> None:
        """Work out what a checkpoint that users look at must hold besides a step's state."""

    @property
    def prepared(self) -> bool:
        """Whether that is there, for this step."""

    def state(self) -> dict[str, Any]:
        """All that a checkpoint holds; TrainingDivergedError if it is not fit to go on from."""


class SaveCheckpoint:
    """Hands the state to `saver`, which writes `checkpoints/step-*` while training goes on.

    Every `interval` steps it is one that users look at. Those that are due by the clock, or because
    somebody asked to stop, are for going on: nothing is worked out for them. `saved` is the step of
    the checkpoint that the run goes on from.
    """

    def __init__(
        self,
        saver: AsyncSaver,
        deferred_writes: DeferredWrites,
        savable: Savable,
        buffered: Sequence[BufferedObserver],
        topology: Topology,
        *,
        interval: int,
        due: Timer,
        saved: int | None,
    ) -> None:
        self.saver = saver
        self.deferred_writes = deferred_writes
        self.savable = savable
        self.buffered = buffered
        self.topology = topology
        self.checkpoint_interval = interval
        self.due = due
        # Whether it is time is agreed on after each step.
        self.interval = 1
        self._saved = saved

    def __call__(self, trainer: StepTrainer) -> None:
        """Save on rank 0 if it is time; all ranks hold the same state."""
        due = self.due()
        if trainer.stopped is not None:
            return
        if trainer.step % self.checkpoint_interval == 0 or trainer.finished:
            self.savable.prepare()
        elif not due:
            return
        self._save(trainer)

    def save_now(self, trainer: StepTrainer) -> None:
        """Save this step, unless that was done, and wait until it is on the disk."""
        self.due.wait()
        if trainer.stopped is not None and self._saved != trainer.step:
            self._save(trainer)
        news = timed(f"checkpoint of step {trainer.step}") if self._saved else nullcontext()
        with news:
            self.deferred_writes.close()
            self.saver.close()

    def _save(self, trainer: StepTrainer) -> None:
        """What came before must be on the disk: who goes on from here does not write it again."""
        for each in self.buffered:
            each.before_checkpoint(trainer)
        state = self.savable.state()
        self._saved = trainer.step
        self.due.restart()
        if self.topology.is_first and self.deferred_writes.flush():
            self.saver.save(trainer.step, state, resume_only=not self.savable.prepared)


class Heartbeat:
    """Tells the watchdog, and `state.json`, that this process takes its steps.

    The file is written every `interval` steps, and by the clock where steps are slow.
    """

    def __init__(
        self, watchdog: Watchdog, run_state: RunStateWriter | None, saver: AsyncSaver, interval: int
    ) -> None:
        self.watchdog = watchdog
        self.run_state = run_state
        self.saver = saver
        self.write_interval = interval
        self.interval = 1
        self._written = time.monotonic()

    def __call__(self, trainer: StepTrainer) -> None:
        """Tell the watchdog of each step; now and then write the step to `state.json`."""
        self.watchdog.step_taken()
        old = time.monotonic() - self._written >= _STATE_SECONDS
        if old or trainer.step % self.write_interval == 0:
            self.write(trainer)

    def write(self, trainer: StepTrainer) -> None:
        """Write the step, and the newest checkpoint, to `state.json`."""
        self._written = time.monotonic()
        if self.run_state is not None:
            self.run_state.running(
                trainer.step, max(checkpoint.steps(self.saver.root), default=None)
            )


class CheckSaver:
    """Raises the error of an asynchronous save soon, not only when the next one is due."""

    def __init__(self, saver: AsyncSaver, interval: int) -> None:
        self.saver = saver
        self.interval = interval

    def __call__(self, trainer: StepTrainer) -> None:
        """Raise what went wrong; only rank 0 has something to write."""
        self.saver.check()


class LogProgress:
    """Logs progress by time where there is no report yet, or none for long."""

    def __init__(self, progress_log: ProgressLog, report_interval: int) -> None:
        self.progress_log = progress_log
        self.report_interval = report_interval
        self.interval = 1

    def __call__(self, trainer: StepTrainer) -> None:
        """Log the step if it is time; a report has just said more."""
        if trainer.step % self.report_interval == 0 or trainer.finished:
            self.progress_log.postpone()
        else:
            self.progress_log.update(trainer.step)


class ShowProgressBar:
    """Moves a progress bar on, a step at a time."""

    def __init__(self, move_to: Callable[[int], None]) -> None:
        self.move_to = move_to
        self.interval = 1

    def __call__(self, trainer: StepTrainer) -> None:
        """Show how many steps are done."""
        self.move_to(trainer.step)


def _line(record: dict[str, Any]) -> list[str]:
    """What a person follows in a job log; `metrics.jsonl` has the rest."""
    losses = [name for name in record if name.startswith("loss/")]
    others = [name for name in _WORTH_A_LOOK if name in record]
    return ["step", *losses, *others, "images_per_second", "data_wait_share", "eta_seconds"]


def _peak_memory_gib(device: torch.device) -> float:
    """Peak of the device's memory on a GPU, of this process's resident memory on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / _GIB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / _GIB
