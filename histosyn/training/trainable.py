"""The interface of a training that `histosyn.training.resumable` can run."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol, TypeVar

from histosyn.training.steps import Observer, StepTrainer
from hpc.deferred_writes import DeferredWrites

TrainerKind = TypeVar("TrainerKind", bound=StepTrainer)


class Training(Protocol[TrainerKind]):
    """What a resumable run trains: a trainer, and what is to be done around its steps.

    `new_run` says how to start another run instead of this one, for messages.
    """

    trainer: TrainerKind
    new_run: str

    def begin(self) -> bool:
        """Prepare a new run, on the first rank only; whether the others need a checkpoint of it."""

    def load(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint's state, on every rank."""

    def facts(self) -> dict[str, Any]:
        """What is to be known of the model at this step; `training.data_sha256` is in it."""

    def comment(self) -> str:
        """What stands above the configuration in `config.toml`: whole lines, or nothing."""

    def stage(self, steps: range) -> None:
        """Copy the data of these steps to the node's disk, on every rank."""

    def observers(self, deferred_writes: DeferredWrites) -> tuple[Observer[TrainerKind], ...]:
        """What is made from the state beside the steps, before checkpoints are saved.

        What it writes goes through `deferred_writes`. At a stop it is left to the next start.
        """

    def prepare(self) -> None:
        """Work out what users look at besides a step's state, unless it is there; every rank calls.

        Checkpoints that users look at hold it, and so does the model.
        """

    @property
    def prepared(self) -> bool:
        """Whether that is there, for this step."""

    def require_finite_weights(self) -> None:
        """Raise TrainingDivergedError for weights that must not become a checkpoint."""

    def ship(self, folder: Path) -> None:
        """Write the trained model, on the first rank."""
