"""`state.json` of a run folder: what the run is doing, why it ended, and what is to be done next.

People read it, `histosyn status` prints it, and the job script requeues by it. No torch here: login
nodes read it as well.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import time
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from hpc.errors import DamagedFileError, HistosynError
from hpc.files import write_json
from hpc.preemption import Stopped
from hpc.records import Count, Positive, ProcessId, Records, Seconds, Text
from hpc.topology import job_id

logger = logging.getLogger("histosyn")

STATE_FILE = "state.json"
State = Literal["running", "stopped", "finished", "failed"]
# requeue: the job asks for it. resume: run the same command again. mend: what `reason` says first.
Next = Literal["requeue", "resume", "nothing", "mend"]
_INTERRUPTED_EXIT_CODE = 130


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How a run, or one of its processes, ends."""

    state: State
    reason: str
    next: Next
    exit_code: int = 0

    @classmethod
    def of(cls, error: BaseException) -> Ending:
        """The ending that an error, an interrupt or a stop makes."""
        if isinstance(error, Stopped):
            why = error.reason
            return cls(state="stopped", reason=why.text, next=why.next, exit_code=why.exit_code)
        if isinstance(error, KeyboardInterrupt):
            return cls(
                state="stopped", reason="Ctrl-C", next="resume", exit_code=_INTERRUPTED_EXIT_CODE
            )
        if isinstance(error, HistosynError):
            return cls(
                state="failed", reason=str(error), next="mend", exit_code=error.exit_code or 1
            )
        # That of the system names the file, which its repr leaves out.
        reason = str(error) if isinstance(error, OSError) else repr(error)
        return cls(state="failed", reason=reason, next="mend", exit_code=1)


FINISHED = Ending(state="finished", reason="all steps are done", next="nothing")


@dataclass(frozen=True, kw_only=True)
class RunState:
    """The content of `state.json`; times are UTC in ISO format.

    `process_seconds` sums seconds times processes over all starts of the run, `restarts` counts how
    often it went on after an end that was not the last, and `job` is the SLURM job's number.
    """

    state: State
    reason: str
    next: Next
    step: Count
    steps: Count
    updated: Text
    host: Text
    pid: ProcessId
    job: Text | None
    restarts: Count
    process_seconds: Seconds
    world_size: Positive
    device: Text
    last_checkpoint: Count | None


_STATES = Records(kind=RunState, remedy="Running the same training command again writes it anew.")


def read_state(folder: Path) -> RunState | None:
    """The state of a run; None if it never began. What a newer version added is passed over.

    Raises DamagedFileError for a file that training did not write.
    """
    try:
        return _STATES.read(folder / STATE_FILE)
    except (FileNotFoundError, NotADirectoryError):
        return None


def record_ending(folder: Path, ending: Ending) -> None:
    """Write how a run ended, if it began; for a process that outlives the rank that does so."""
    state = _state_before(folder)
    if state is not None:
        _write_last(folder / STATE_FILE, _ended(state, ending))


class RunStateWriter:
    """Keeps `state.json` from the start of a run, or of its continuation, to the end.

    Only for rank 0, and only while it holds the run folder's lock. A disk that does not take it is
    a warning: a run can do without.
    """

    def __init__(self, folder: Path, *, steps: int, world_size: int, device: str) -> None:
        self._path = folder / STATE_FILE
        self._before = _state_before(folder)
        self._started = time.monotonic()
        self._state = RunState(
            state="running", reason="", next="resume", step=0, steps=steps, updated="",
            host=socket.gethostname(), pid=os.getpid(), job=job_id(), restarts=self._restarts(),
            process_seconds=0.0, world_size=world_size, device=device, last_checkpoint=None,
        )  # fmt: skip
        self._began = False

    def running(self, step: int, last_checkpoint: int | None) -> None:
        """Write that `step` steps are done, and which checkpoint is the newest."""
        self._began = True
        self._state = replace(self._state, step=step, last_checkpoint=last_checkpoint)
        self._state = self._up_to_date()
        _write(self._path, self._state)

    def end(self, ending: Ending) -> None:
        """Write how it ended.

        A start that failed before training went on changes no more than that of a run, and nothing
        of one that is finished; of a run that never began it leaves no trace.
        """
        if self._began or (self._before is None and ending.state != "failed"):
            _write_last(self._path, _ended(self._up_to_date(), ending))
        elif self._before is not None and self._before.state != "finished":
            started = replace(self._before, job=self._state.job)
            _write_last(self._path, _ended(started, ending))

    def _up_to_date(self) -> RunState:
        before = self._before.process_seconds if self._before else 0.0
        seconds = (time.monotonic() - self._started) * self._state.world_size
        return replace(self._state, updated=_now(), process_seconds=round(before + seconds, 1))

    def _restarts(self) -> int:
        if self._before is None:
            return 0
        return self._before.restarts + (self._before.state != "finished")


def _state_before(folder: Path) -> RunState | None:
    try:
        return read_state(folder)
    except DamagedFileError as error:
        logger.warning("%s", error)
        return None


def _ended(state: RunState, ending: Ending) -> RunState:
    return replace(
        state, state=ending.state, reason=ending.reason, next=ending.next, updated=_now()
    )


def _write(path: Path, state: RunState) -> None:
    try:
        write_json(path, asdict(state))
    except OSError as error:
        logger.warning("%s could not be written: %s", path, error.strerror)


def _write_last(path: Path, state: RunState) -> None:
    """The last state must be written on a full disk, too: over the one before, in place."""
    try:
        write_json(path, asdict(state))
    except OSError as error:
        try:
            with path.open("r+b") as file:
                file.write(json.dumps(asdict(state), indent=2).encode() + b"\n")
                file.truncate()
        except OSError:
            logger.warning("%s could not be written: %s", path, error.strerror)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
