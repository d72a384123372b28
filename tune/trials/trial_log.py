"""What happens to trials, as Ray Tune tells it, for whoever watches the sweep or is to stop it."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ray.tune
from ray.tune.progress_reporter import TrialProgressCallback

from hpc.errors import FullDiskError, HistosynError, LostNodesError
from hpc.log import logger
from tune.plan.trial_folder import Turn
from tune.results.watching import Watch
from tune.trials.stop import StopOfSweep

_LOOK_SECONDS = 20.0
# A node on which only Ray has ended is back sooner.
_PATIENCE_SECONDS = 120.0
# The last line of a traceback.
_ERROR = re.compile(r"^(?:\w+\.)*(\w*(?:Error|Exception)): (.*)$", re.MULTILINE)


class TrialLog(TrialProgressCallback):
    """Tells whoever watches what Tune tells; in the place of its own, which prints to the standard
    output.
    """

    def __init__(
        self,
        watch: Watch,
        stop: StopOfSweep,
        has_room: Callable[[], bool],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self._now = now
        self._watch = watch
        self._stop = stop
        self._has_room = has_room
        self._look_for_room_at = -math.inf
        self._without_room_since: float | None = None
        self.trains = False

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        """Tell that time passes; Tune asks often."""
        training = [trial for trial in trials if trial.status == "RUNNING"]
        self.trains = bool(training)
        self._watch.passing([turn_of(trial.config) for trial in training])
        if any(trial.status == "PENDING" for trial in trials) and not training:
            self._look_for_room()

    def _look_for_room(self) -> None:
        """Tell, once, that trials wait for nodes to come, or to come back; but not for ever.

        Raises LostNodesError then.
        """
        now = self._now()
        if now < self._look_for_room_at:
            return
        self._look_for_room_at = now + _LOOK_SECONDS
        if self._has_room():
            self._without_room_since = None
        elif self._without_room_since is None:
            self._without_room_since = now
            logger.warning("no trial fits on the nodes that are left: the sweep waits for others.")
        elif now - self._without_room_since >= _PATIENCE_SECONDS:
            raise LostNodesError(
                f"For {_PATIENCE_SECONDS:g} seconds no trial has fitted on the nodes that are "
                "left. What trials have done is saved; the same command, with as many nodes as "
                "before, goes on."
            )

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Tell that a trial begins, or goes on."""
        self._watch.begun(turn_of(trial.config))

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """Tell a measurement."""
        self._watch.measured(turn_of(trial.config))

    def on_trial_recover(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Tell that a trial is tried again; it is not if the disk is full."""
        if self._disk_is_full(trial):
            return
        error = _last_error(trial)
        logger.warning(
            "trial %s broke off (%s): it goes on from its last checkpoint.",
            _told(turn_of(trial.config)),
            ": ".join(error) if error else "its process or its node was lost",
        )

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Tell that a trial has failed."""
        if self._disk_is_full(trial):
            return
        logger.warning("trial %s failed.", _told(turn_of(trial.config)))

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Tell how a trial ended."""
        self._watch.ended(turn_of(trial.config))

    def _disk_is_full(self, trial: Any) -> bool:
        kind, message = _last_error(trial) or ("", "")
        if kind != FullDiskError.__name__:
            return False
        self._stop.because_of(FullDiskError(message))
        return True


class NothingToSave(ray.tune.Stopper):
    """Ends a sweep that was asked to stop once no trial trains: who waits for room needs none."""

    def __init__(self, log: TrialLog, stop: StopOfSweep) -> None:
        self._log = log
        self._stop = stop

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """No single trial is stopped by this."""
        return False

    def stop_all(self) -> bool:
        """Whether nothing is left to wait for."""
        return self._stop.asked() is not None and not self._log.trains


def _last_error(trial: Any) -> tuple[str, str] | None:
    """Kind and message of the error that a trial broke off with; None if its process was lost.

    Tune keeps errors as objects, too, but where the disk may be full; their text it has here.
    """
    if not trial.error_file:
        return None
    text = Path(trial.error_file).read_text("utf-8", errors="replace")
    found = _ERROR.findall(text.rpartition("Failure #")[2])
    return found[-1] if found else None


def turn_of(config: dict[str, Any]) -> Turn:
    """The turn that a trial of Tune is."""
    return config["number"], config.get("seed")


def _told(turn: Turn) -> str:
    number, seed = turn
    return str(number) if seed is None else f"{number}-seed-{seed}"


def first_line_of(error: BaseException) -> str:
    """What an error says, in a line."""
    # Each process that it came through has put another one around it.
    while isinstance(cause := getattr(error, "cause", None), BaseException):
        error = cause
    first_line = (str(error).strip().splitlines() or [""])[0]
    return (
        first_line if isinstance(error, HistosynError) else f"{type(error).__name__}: {first_line}"
    )
