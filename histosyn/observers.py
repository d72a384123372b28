"""What happens beside any training loop: reports, checkpoints, signs of life.

Every rank calls every observer, because some of them talk to all ranks; only rank 0 writes.
"""

from __future__ import annotations

import math
import resource
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from histosyn.step_means import StepMeans
from histosyn.steps import StepTrainer, diverged
from hpc import checkpoint
from hpc.log import RecordsFile, key_values, logger
from hpc.outbox import Outbox
from hpc.run_state import StateKeeper
from hpc.saver import Saver
from hpc.topology import Topology
from hpc.watchdog import Watchdog

_GIB = 1 << 30
# Of what is measured besides losses, what says at a glance whether the game is still played.
_WORTH_A_LOOK = ("discriminator_accuracy",)


class Report:
    """Averages what the steps measured and writes one object to `metrics.jsonl`.

    What a run that stops between two reports has measured goes into its checkpoint, as `carried`:
    the report is the same then as without the stop.
    """

    def __init__(
        self,
        metrics: RecordsFile,
        outbox: Outbox,
        topology: Topology,
        interval: int,
        carried: dict[str, Any] | None = None,
    ) -> None:
        self.metrics = metrics
        self.outbox = outbox
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
        self._means.add(trainer.step, losses | trainer.watched)
        self._waited_seconds += facts.waited_seconds
        self._steps += 1
        if trainer.step % self.report_interval and not trainer.finished:
            if trainer.stopped:
                trainer.carried["report"] = self._so_far()
            return
        trainer.carried.pop("report", None)
        record = self._record(trainer)
        if self.topology.is_first:
            self.outbox.write(self.metrics.path, partial(self.metrics.append, record))
            logger.info("%s", key_values({name: record[name] for name in _line(record)}))
        broken = self._means.first_broken()
        self._forget()
        if broken is not None:
            raise diverged(*broken)

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


class SaveCheckpoint:
    """Hands the state to `saver`, which writes `checkpoints/step-*` while training goes on.

    `state_of` gives all that a checkpoint holds; every rank asks for it, and all of them raise
    TrainingDivergedError if it is not fit to go on from.
    """

    def __init__(
        self,
        saver: Saver,
        outbox: Outbox,
        state_of: Callable[[], dict[str, Any]],
        topology: Topology,
        interval: int,
    ) -> None:
        self.saver = saver
        self.outbox = outbox
        self.state_of = state_of
        self.topology = topology
        self.interval = interval

    def __call__(self, trainer: StepTrainer) -> None:
        """Save on rank 0; all ranks hold the same state.

        What came before must be on the disk: who goes on from a checkpoint does not write it again.
        """
        state = self.state_of()
        if self.topology.is_first and self.outbox.settled():
            self.saver.save(trainer.step, state)

    def save_now(self, trainer: StepTrainer) -> None:
        """Save this step, unless that was done, and wait until it is on the disk."""
        self.outbox.close()
        if trainer.step % self.interval:
            self(trainer)
        self.saver.close()


class KeepState:
    """Tells the others that this process takes its steps: the watchdog, and `state.json`."""

    def __init__(
        self, watchdog: Watchdog, keeper: StateKeeper | None, saver: Saver, interval: int
    ) -> None:
        self.watchdog = watchdog
        self.keeper = keeper
        self.saver = saver
        self.write_interval = interval
        self.interval = 1

    def __call__(self, trainer: StepTrainer) -> None:
        """Give a sign of each step; now and then write how far the run has come."""
        self.watchdog.moved()
        if trainer.step % self.write_interval == 0:
            self.write(trainer)

    def write(self, trainer: StepTrainer) -> None:
        """Write how far the run has come, and which checkpoint it could go on from."""
        if self.keeper is not None:
            self.keeper.running(trainer.step, max(checkpoint.steps(self.saver.root), default=None))


class NoticeFailedSave:
    """Stops soon after a checkpoint could not be written, not only when the next one is due."""

    def __init__(self, saver: Saver, interval: int) -> None:
        self.saver = saver
        self.interval = interval

    def __call__(self, trainer: StepTrainer) -> None:
        """Raise what went wrong; only rank 0 has something to write."""
        self.saver.check()


class ShowProgress:
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
