"""Trials under Ray Tune: how many at a time, which are stopped early, which are tried again."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from typing import Any

import ray.tune
from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from hpc.log import logger
from hpc.preemption import Stopped
from tune.plan.config import Sweep
from tune.plan.trial_folder import Outcome, TrialFolder, Turn
from tune.ray_cluster.cluster import cluster, has_room
from tune.results.repeats import to_repeat
from tune.results.watching import Watch, watching
from tune.search.suggestions import Turns
from tune.trials.early_stopping import EarlyStopping
from tune.trials.group import run_trial_of_several
from tune.trials.stop import StopOfSweep
from tune.trials.trial import run_trial
from tune.trials.trial_log import NothingToSave, TrialLog, first_line_of, turn_of

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
    log = TrialLog(watch, stop, lambda: has_room(config))
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
            callbacks=[log],
            stop=NothingToSave(log, stop),
        ),
    )
    try:
        grid = tuner.fit()
    except ray.tune.TuneError:
        # Tune cannot write either.
        if stop.full_disk is not None:
            raise stop.full_disk from None
        raise
    if stop.asked():
        return
    for result in (grid[place] for place in range(len(grid))):
        if result.error is not None and result.config is not None:
            reason = f"{first_line_of(result.error)} (traceback: {result.path}/error.txt)."
            folder = TrialFolder(sweep.trial_folder(*turn_of(result.config)))
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


def _name(trial: Any) -> str:
    number, seed = turn_of(trial.config)
    return f"trial-{number:04d}" + ("" if seed is None else f"-seed-{seed}")
