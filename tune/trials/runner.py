"""Trials under Ray Tune: how many at a time, which are stopped early, which are tried again."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from typing import Any

import ray.tune
from ray.exceptions import RayActorError
from ray.tune.progress_reporter import TrialProgressCallback
from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from hpc.errors import FullDiskError, HistosynError
from hpc.log import logger
from hpc.preemption import Stopped
from tune.plan.config import Sweep
from tune.plan.trial_folder import Outcome, TrialFolder, Turn
from tune.ray_cluster.cluster import cluster
from tune.results.repeats import to_repeat
from tune.results.watching import Watch, watching
from tune.search.suggestions import Turns
from tune.trials.early_stopping import EarlyStopping
from tune.trials.group import run_trial_of_several
from tune.trials.stop import StopOfSweep
from tune.trials.trial import run_trial

# A trial whose node was lost goes on from its checkpoint; one that fails thrice has a reason.
_RETRIES = 2
# Tune's own files: tracebacks, and a state that isn't used again.
_STORAGE, _STORAGE_OF_REPEATS = "ray", "ray-repeats"


def run_trials(sweep: Sweep, numbers: Sequence[int]) -> None:
    """Run or continue these trials until each has an outcome in its folder, then the repeats.

    Raises InputError if Ray can't be started or a trial fits on no node, Stopped if the sweep was
    asked to stop and did.
    """
    with (
        cluster(sweep.sweep),
        watching(sweep) as watch,
        StopOfSweep(sweep.sweep.folder) as stop,
    ):
        if numbers and not stop.asked():
            turns = [(number, None) for number in numbers]
            _run_turns(sweep, turns, EarlyStopping(sweep, stop), _STORAGE, watch, stop)
        if (repeats := to_repeat(sweep)) and not stop.asked():
            logger.info("the best and the defaults again: %d trainings", len(repeats))
            _run_turns(sweep, repeats, FIFOScheduler(), _STORAGE_OF_REPEATS, watch, stop)
        _require_not_stopped(sweep, [*((number, None) for number in numbers), *repeats], stop)


def _run_turns(
    sweep: Sweep,
    turns: Sequence[Turn],
    scheduler: TrialScheduler,
    storage: str,
    watch: Watch,
    stop: StopOfSweep,
) -> None:
    config = sweep.sweep
    # What is known lies in the trials' folders; Tune starts afresh.
    shutil.rmtree(config.folder / storage, ignore_errors=True)
    tuner = ray.tune.Tuner(
        _trainable(sweep),
        tune_config=ray.tune.TuneConfig(
            search_alg=Turns(sweep, turns, stop),
            num_samples=len(turns),
            scheduler=scheduler,
            trial_name_creator=_name,
            trial_dirname_creator=_name,
        ),
        run_config=ray.tune.RunConfig(
            name=storage,
            storage_path=str(config.folder),
            verbose=0,
            failure_config=ray.tune.FailureConfig(max_failures=_RETRIES),
            callbacks=[TrialLog(watch, stop)],
        ),
    )
    grid = tuner.fit()
    if stop.asked():
        return
    for result in (grid[place] for place in range(len(grid))):
        if result.error is not None and result.config is not None:
            reason = f"{_first_line(result.error)} (traceback: {result.path}/error.txt)."
            folder = TrialFolder(sweep.trial_folder(*_turn(result.config)))
            folder.conclude(Outcome(status="failed", reason=reason))


def _trainable(sweep: Sweep) -> Any:
    """What Tune runs for a trial, and what it has to find room for."""
    share, processes = sweep.sweep.share_of_process, sweep.sweep.processes_per_trial
    if processes == 1:
        bundles, work = [share], run_trial
    else:
        # The one that Tune knows only watches. They are on as few nodes as have room.
        bundles, work = [{}, *[share] * processes], run_trial_of_several
    return ray.tune.with_resources(
        ray.tune.with_parameters(work, sweep=sweep), ray.tune.PlacementGroupFactory(bundles)
    )


def _require_not_stopped(sweep: Sweep, turns: Sequence[Turn], stop: StopOfSweep) -> None:
    reason = stop.asked()
    left = [turn for turn in turns if TrialFolder(sweep.trial_folder(*turn)).is_open]
    if stop.full_disk is not None:
        raise stop.full_disk
    if reason is not None and left:
        raise Stopped(
            reason,
            f"the sweep was stopped by {reason.text}, with {len(left)} of {len(turns)} trials "
            "left. What they have done is saved; the same command goes on.",
        )


class TrialLog(TrialProgressCallback):
    """Tells whoever watches what Tune tells; in the place of its own, which prints to the standard
    output.
    """

    def __init__(self, watch: Watch, stop: StopOfSweep) -> None:
        super().__init__()
        self._watch = watch
        self._stop = stop

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        """Tell that time passes; Tune asks often."""
        self._watch.passing([_turn(trial.config) for trial in trials if trial.status == "RUNNING"])

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Tell that a trial begins, or goes on."""
        self._watch.begun(_turn(trial.config))

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """Tell a measurement."""
        self._watch.measured(_turn(trial.config))

    def on_trial_recover(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Tell that a trial is tried again; it is not if the disk is full."""
        if self._disk_is_full(trial):
            return
        logger.warning("trial %s broke off (%s): it goes on from its last checkpoint.",
                       _told(_turn(trial.config)), _why(trial))  # fmt: skip

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Tell that a trial has failed."""
        if self._disk_is_full(trial):
            return
        logger.warning("trial %s failed.", _told(_turn(trial.config)))

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Tell how a trial ended."""
        self._watch.ended(_turn(trial.config))

    def _disk_is_full(self, trial: Any) -> bool:
        error = trial.get_pickled_error()
        cause = None if error is None else _cause(error)
        if not isinstance(cause, FullDiskError):
            return False
        self._stop.because_of(cause)
        return True


def _why(trial: Any) -> str:
    error = trial.get_pickled_error()
    if error is None or isinstance(error, RayActorError):
        return "its process or its node was lost"
    return _first_line(error)


def _turn(config: dict[str, Any]) -> Turn:
    return config["number"], config.get("seed")


def _told(turn: Turn) -> str:
    number, seed = turn
    return str(number) if seed is None else f"{number}-seed-{seed}"


def _name(trial: Any) -> str:
    number, seed = _turn(trial.config)
    return f"trial-{number:04d}" + ("" if seed is None else f"-seed-{seed}")


def _cause(error: BaseException) -> BaseException:
    """Each process that it came through has put another one around it."""
    while isinstance(cause := getattr(error, "cause", None), BaseException):
        error = cause
    return error


def _first_line(error: BaseException) -> str:
    error = _cause(error)
    first_line = (str(error).strip().splitlines() or [""])[0]
    return (
        first_line if isinstance(error, HistosynError) else f"{type(error).__name__}: {first_line}"
    )
