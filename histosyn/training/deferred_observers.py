"""Observers that can run later, from the checkpoint of their step: sample grids, evaluations.

A run that is asked to stop has no time for them. Its checkpoint says that they are pending, and the
run that resumes from it calls them first.
"""

from __future__ import annotations

from typing import Generic, TypeVar

from histosyn.training.steps import Observer, StepTrainer

TrainerKind = TypeVar("TrainerKind", bound=StepTrainer)
_OWED = "owed"


class DeferredObservers(Generic[TrainerKind]):
    """Calls `observers` after the steps that they are due at, but not when the run is to stop."""

    def __init__(self, observers: tuple[Observer[TrainerKind], ...]) -> None:
        self.observers = observers
        self.interval = 1

    def __call__(self, trainer: TrainerKind) -> None:
        """Call who is due; at a stop only note, for the checkpoint, that somebody was."""
        due = self._due(trainer)
        if trainer.stopped is None:
            for observer in due:
                observer(trainer)
        elif due:
            trainer.carried[_OWED] = True

    def make_up(self, trainer: TrainerKind) -> None:
        """Call who was due at the step that the run goes on from; every rank does."""
        for observer in self._due(trainer):
            observer(trainer)

    def _due(self, trainer: TrainerKind) -> list[Observer[TrainerKind]]:
        step = trainer.step
        return [each for each in self.observers if step % each.interval == 0 or trainer.finished]


def is_owed(trainer: StepTrainer) -> bool:
    """Whether the checkpoint that was loaded says that something was left undone; forgets it."""
    return bool(trainer.carried.pop(_OWED, False))
