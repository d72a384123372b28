"""What each trial is going to be: decided at its turn, and written down before it starts."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from ray.tune.search import Searcher

from hpc.errors import ConfigError
from hpc.log import logger
from tune.plan.config import Sweep
from tune.plan.trial_folder import Suggestion, TrialFolder, Turn
from tune.ray_cluster.cluster import room
from tune.search.history import history
from tune.search.tpe import has_model, suggest


class Stop(Protocol):
    """Whoever hears that the sweep is to stop, or is told so."""

    def asked(self) -> object:
        """Why it is to stop, if it is."""

    def at_a_full_disk(self) -> AbstractContextManager[None]:
        """It stops if the block meets one."""


class Turns(Searcher):
    """Gives Ray Tune trials by number, and seed where one is repeated, as soon as there is room.

    Not before: a model shall know all that can be known. A trial that was suggested before a kill
    is what it was. What a sampler learns from are the trials' folders: nothing is kept here. Once
    the sweep is asked to stop, there are no more.
    """

    def __init__(self, sweep: Sweep, turns: Sequence[Turn], stop: Stop) -> None:
        super().__init__()
        self._sweep = sweep
        self._waiting = list(reversed(turns))
        self._running: set[str] = set()
        self._stop = stop

    def suggest(self, trial_id: str) -> Any:
        """The next trial, as `run_trial` wants it."""
        if not self._waiting or self._stop.asked():
            return Searcher.FINISHED
        if len(self._running) >= room(self._sweep.sweep):
            return None
        self._running.add(trial_id)
        number, seed = self._waiting.pop()
        with self._stop.at_a_full_disk():
            settle(self._sweep, number, seed)
            return {"number": number, "seed": seed}
        return Searcher.FINISHED

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """There is room for another; what came of it lies in its folder."""
        self._running.discard(trial_id)


def settle(sweep: Sweep, number: int, seed: int | None = None) -> Suggestion:
    """What a trial is, or its repetition with a seed; if that was not written down, it is now."""
    folder = TrialFolder(sweep.trial_folder(number, seed))
    known = folder.suggestion()
    if known is None:
        if seed is not None:
            known = sweep.repeat(number, seed)
        else:
            known = sweep.suggestion(number) or modelled(sweep, number)
        folder.suggest(known)
    return known


def modelled(sweep: Sweep, number: int) -> Suggestion:
    """What a model suggests by all that is known now; drawn values while that is too little."""
    known = history(sweep)
    if not has_model(known):
        return sweep.drawn(number)
    settings = sweep.sweep
    values = suggest(sweep.space, sweep.objective, known, last=sweep.train.run.steps,
                     seed=settings.seed, number=number)  # fmt: skip
    suggestion = Suggestion(
        number=number,
        origin="tpe",
        values=values,
        seed=sweep.seed_of(values),
        learnt_from=tuple(each.seen for each in known),
    )
    try:
        sweep.candidate_of(suggestion)
    except ConfigError as error:
        # Drawn ones have been found sound before the first trial.
        logger.warning("%s The model suggested it; drawn values are tried instead.", error)
        return sweep.drawn(number)
    return suggestion
