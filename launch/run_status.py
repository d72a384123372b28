"""The status of a training run, from the files in its folder: neither torch nor the run is needed.

`state.json` is what the run says of itself; `metrics.jsonl`, `checkpoints/` and SLURM's queue tell
the rest, and what is true where the run was killed.
"""

from __future__ import annotations

import math
import os
import re
import socket
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from histosyn.models.path import runs_in
from hpc.errors import DamagedFileError, InputError
from hpc.log import RecordsFile
from hpc.run_folder_names import CHECKPOINTS, RECORD, SWEEP
from hpc.run_state import STATE_FILE, RunState, read_state
from launch.jobs.slurm import is_under_way, states_of

_METRICS = "metrics.jsonl"
_CHECKPOINT = re.compile(r"step-(\d{8,})")
# A run that reports more seldom than this is given three of its own intervals.
_SILENCE = timedelta(minutes=10)
_INTERVALS_OF_SILENCE = 3


@dataclass(frozen=True, kw_only=True)
class RunStatus:
    """How a run stands. What its files don't tell is None.

    `state` is "running", "stopped", "finished", "failed" or "unknown", and `note` what a person
    must know of it. `process_hours` are hours times processes; on GPUs, GPU-hours.
    """

    folder: str
    state: str
    note: str | None = None
    next: str | None = None
    step: int | None = None
    steps: int | None = None
    eta_seconds: float | None = None
    images_per_second: float | None = None
    last_checkpoint: int | None = None
    restarts: int | None = None
    process_hours: float | None = None
    device: str | None = None
    world_size: int | None = None
    updated: str | None = None
    silent_since: str | None = None
    host: str | None = None
    job: str | None = None
    job_states: tuple[str, ...] = ()


def next_action(folder: Path) -> str:
    """The next action of a job script about a run that has ended.

    The state's "next", but "restart" for a run that was cut off: it ended without a word, or
    because a process of it was lost. Of a sweep "restart" if trials are left, otherwise "nothing".
    Raises InputError without a state, DamagedFileError for one that cannot be read.
    """
    if (folder / SWEEP).is_file():
        return "restart" if _has_trials_left(folder) else "nothing"
    said = read_state(folder)
    if said is None:
        raise InputError(f"{folder / STATE_FILE} does not exist: the run has not started there.")
    was_cut_off = said.state == "running" or (said.state == "failed" and said.next == "resume")
    return "restart" if was_cut_off else said.next


def _has_trials_left(sweep_folder: Path) -> bool:
    from tune.plan.saved_sweep import read_saved
    from tune.plan.trial_folder import TrialFolder
    from tune.results.repeats import to_repeat

    sweep = read_saved(sweep_folder)
    numbers = range(sweep.sweep.samples)
    return any(TrialFolder(sweep.trial_folder(number)).is_open for number in numbers) or bool(
        to_repeat(sweep)
    )


def status_of(folder: Path, now: datetime | None = None) -> RunStatus:
    """How the run of a folder stands. Raises InputError if `folder` is no run folder."""
    if not any(
        (folder / name).exists() for name in (STATE_FILE, _METRICS, CHECKPOINTS, "config.toml")
    ):
        raise InputError(
            f"{folder} is no run folder: no {STATE_FILE} and no {_METRICS}{runs_in(folder)}. Check "
            "the path."
        )
    last_checkpoint = _newest_checkpoint(folder / CHECKPOINTS)
    lines = RecordsFile(folder / _METRICS).look()
    reports = lines.records[-2:]
    last = reports[-1] if reports else {}
    common: dict[str, Any] = {
        "folder": str(folder),
        "last_checkpoint": last_checkpoint,
        "images_per_second": last.get("images_per_second"),
    }
    try:
        said = read_state(folder)
        note = (
            None
            if said
            else f"no {STATE_FILE}: the run has not started, or an older version ran it"
        )
    except DamagedFileError as error:
        said, note = None, str(error)
    if said is None:
        status = RunStatus(state="unknown", note=note, step=last.get("step"), **common)
    else:
        status = _told(said, reports, common, now or datetime.now(UTC))
    return replace(status, note=" ".join(filter(None, (status.note, lines.told()))) or None)


def _told(
    said: RunState, reports: list[dict[str, Any]], common: dict[str, Any], now: datetime
) -> RunStatus:
    updated = _time(said.updated)
    job_states = (states_of([said.job]) or {}).get(said.job, ()) if said.job else ()
    running = said.state == "running"
    silent = running and (
        _does_not_run(job_states) or _is_gone(said) or now - updated > _patience(reports)
    )
    eta = reports[-1].get("eta_seconds") if reports and running and not silent else None
    eta = None if eta is None or math.isnan(eta) else eta
    return RunStatus(
        state=said.state,
        note=_note(said, silent, job_states),
        next=said.next,
        step=said.step,
        steps=said.steps,
        eta_seconds=None if eta is None else max(eta - (now - updated).total_seconds(), 0),
        restarts=said.restarts,
        process_hours=said.process_seconds / 3600,
        device=said.device,
        world_size=said.world_size,
        updated=said.updated,
        silent_since=said.updated if silent else None,
        host=said.host,
        job=said.job,
        job_states=job_states,
        **common,
    )


def _note(said: RunState, silent: bool, job_states: tuple[str, ...]) -> str | None:
    if silent and "PENDING" in job_states:
        return "it was cut off; its job waits in the queue to go on"
    if silent:
        return ("it says nothing any more: killed, or hanging. Once its job has ended, running the "
                "same command again goes on from the newest checkpoint")  # fmt: skip
    if said.next == "requeue" and not is_under_way(job_states):
        if said.job is None:
            return f"{said.reason}; the same command again goes on"
        return f"{said.reason}; its job is not in the queue: submit it again to go on"
    return said.reason or None


def _does_not_run(job_states: tuple[str, ...]) -> bool:
    """Whether SLURM knows that the run's job has ended, or waits to be started again."""
    return bool(job_states) and (job_states == ("PENDING",) or not is_under_way(job_states))


def _is_gone(said: RunState) -> bool:
    """Whether the process that wrote the state is known to live no more."""
    if said.host != socket.gethostname():
        return False
    try:
        os.kill(said.pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    return False


def _patience(reports: list[dict[str, Any]]) -> timedelta:
    """How long a run that lives may say nothing."""
    try:
        before, last = reports[-2:]
        images = last["images_seen"] - before["images_seen"]
        interval = timedelta(seconds=images / last["images_per_second"])
    except (ValueError, KeyError, TypeError, ArithmeticError):
        return _SILENCE
    return max(_SILENCE, _INTERVALS_OF_SILENCE * interval)


def _newest_checkpoint(folder: Path) -> int | None:
    """The step of the newest that is committed; whether its files are whole is not looked at."""
    steps = [
        int(match[1])
        for path in folder.glob("step-*")
        if (match := _CHECKPOINT.fullmatch(path.name)) and (path / RECORD).is_file()
    ]
    return max(steps, default=None)


def _time(text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return datetime.fromtimestamp(0, UTC)
    return time if time.tzinfo else time.astimezone()
