"""Training as a sequence of steps, whatever is trained. It knows nothing of files or clusters:
observers do."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol, Self, TypeVar

import torch
from torch import nn

from histosyn.config.run import Settings
from histosyn.shards.batch import Batch
from histosyn.shards.index import DatasetIndex
from hpc.errors import TrainingDivergedError
from hpc.preemption import Reason, StopRequested

TrainerKind = TypeVar("TrainerKind", contravariant=True)


class BatchSource(Protocol):
    """Global batches as a function of their number, such as a `ShardStream`."""

    @property
    def index(self) -> DatasetIndex:
        """What the samples are: schema, tile size, identity."""

    def batches(self, start: int = 0) -> Iterator[Batch]:
        """This rank's part of batches `start`, `start` + 1, ... without end."""


class Observer(Protocol[TrainerKind]):
    """Something that happens every so many steps: a report, a sample grid, a checkpoint."""

    interval: int

    def __call__(self, trainer: TrainerKind) -> None:
        """Look at the trainer after its step; every rank calls it."""
        ...


@dataclass(kw_only=True)
class StepFacts:
    """The facts of a step on this rank: its batch, losses by name, seconds waited for data."""

    batch: Batch
    losses: dict[str, torch.Tensor]
    waited_seconds: float


class StepTrainer(ABC):
    """Takes steps from `step` to the configured number; what a step is, a subclass says."""

    def __init__(self, config: Settings, stream: BatchSource, device: torch.device) -> None:
        self.config = config
        self.stream = stream
        self.device = device
        self.step = 0
        self.facts: StepFacts | None = None
        # What the last step measured besides losses, by the names that reports give it.
        self.diagnostics: dict[str, torch.Tensor] = {}
        # Whether there is no batch yet for the next step.
        self.waiting = False
        # Why this step is the last for now, where somebody asked for it.
        self.stopped: Reason | None = None
        # Whether all ranks are to stop, for what takes long between steps; all of them ask alike.
        self.asked: Callable[[], Reason | None] = lambda: None
        # What observers want back after a restart, by their names.
        self.carried: dict[str, Any] = {}

    @property
    def images_seen(self) -> int:
        """Tiles seen by all ranks together."""
        return self.step * self.config.data.global_batch

    @property
    def finished(self) -> bool:
        """Whether all configured steps are done."""
        return self.step >= self.config.run.steps

    def train(
        self,
        observers: tuple[Observer[Self], ...] = (),
        agreed_stop: Callable[[], Reason | None] = lambda: None,
        while_waiting: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        """Train until finished, or until all ranks have agreed to stop.

        Observers are called after the steps their interval divides, and after the final one.
        `while_waiting` is entered while there is no batch yet; StopRequested, raised there, is a
        request to stop before this step, and raised by an observer, at this step.
        """
        batches = self.stream.batches(start=self.step)
        while not self.finished and self.stopped is None:
            started = time.perf_counter()
            try:
                self.waiting = True
                with while_waiting():
                    batch = next(batches)
            except StopRequested as asked:
                self.stopped = asked.reason
                return
            finally:
                self.waiting = False
            waited_seconds = time.perf_counter() - started
            losses = self.take_step(batch)
            self.step += 1
            self.facts = StepFacts(batch=batch, losses=losses, waited_seconds=waited_seconds)
            self.stopped = agreed_stop()
            for observer in observers:
                if self.step % observer.interval == 0 or self.finished:
                    self._show(observer)

    def _show(self, observer: Observer[Self]) -> None:
        """Call an observer; one that was asked to stop meanwhile is told so by another call."""
        try:
            observer(self)
        except StopRequested as asked:
            self.stopped = asked.reason
            observer(self)

    @abstractmethod
    def take_step(self, batch: Batch) -> dict[str, torch.Tensor]:
        """Learn from a batch; this rank's losses by name, on the device."""

    @abstractmethod
    def learning_rates(self) -> dict[str, float]:
        """The rates of this step, by the names that reports give them."""

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """Everything that determines the future of this run, but for the configuration."""

    @abstractmethod
    def load(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint's state."""


_REMEDY = (
    "Checkpoints hold only finite weights. Start a new run with lower learning rates (optimizer.*)."
)


def diverged(step: int, names: Sequence[str]) -> TrainingDivergedError:
    """What to raise if these things, as reports name them, were not finite at this step.

    A loss that is not finite leaves gradients that are not: then it is the losses that are named.
    """
    losses = [name.removeprefix("loss/") for name in names if name.startswith("loss/")]
    if losses:
        told = f"the loss {' and '.join(losses)}"
    else:
        told = " and ".join(
            f"the gradient of the {name.removeprefix('gradient_norm/')}"
            if name.startswith("gradient_norm/")
            else name
            for name in names
        )
    return TrainingDivergedError(f"At step {step} {told} is no longer finite. {_REMEDY}")


def require_finite_weights(networks: Mapping[str, nn.Module], step: int) -> None:
    """Raise TrainingDivergedError rather than let broken weights become a checkpoint."""
    for name, network in networks.items():
        if not torch.stack([weight.isfinite().all() for weight in network.parameters()]).all():
            raise TrainingDivergedError(
                f"After step {step} the {name} has weights that are no longer finite. {_REMEDY}"
            )
