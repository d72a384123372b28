"""Preemption: signals, a STOP file, the job's time limit or a lost launcher stop all ranks.

Until training begins, a signal ends the process at once. From then on it is only noted, and at the
next step boundary all ranks agree on it, so that they stop after the same step. No torch is
imported here: a process can be asked to stop before its imports are done.
"""

from __future__ import annotations

import logging
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import resource_tracker
from pathlib import Path
from threading import Thread, current_thread, main_thread
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, Literal, NoReturn, Self

from hpc.abort import abort_process
from hpc.topology import is_first_process, job_end_time, launcher_is_gone

if TYPE_CHECKING:
    import torch

    from hpc.collectives import DelayedMaximum

logger = logging.getLogger("histosyn")

STOP_FILE = "STOP"
_LOOK_SECONDS = 1.0
# torchrun and SLURM both pass a signal on: what comes again so soon is the same Ctrl-C.
_SAME_SECONDS = 1.0
_INTERRUPTED_EXIT_CODE = 130


@dataclass(frozen=True, kw_only=True)
class Reason:
    """Why a run was asked to stop, and whether its job is to go on by itself."""

    text: str
    next: Literal["requeue", "resume"]
    exit_code: int = 0


# In ascending order of weight: of several requests the last one counts.
REASONS = (
    Reason(text=f"the file {STOP_FILE}", next="resume"),
    Reason(text="the process that started the ranks is gone", next="resume"),
    Reason(text="the job's end time is near", next="requeue"),
    Reason(text="SIGUSR2", next="requeue"),
    Reason(text="SIGTERM", next="requeue"),
    Reason(text="Ctrl-C", next="resume", exit_code=_INTERRUPTED_EXIT_CODE),
)
_NONE, _FILE, _GONE, _END, _USR2, _TERM, _INT = range(len(REASONS) + 1)
_SIGNALS = {signal.SIGTERM: _TERM, signal.SIGINT: _INT}
if hasattr(signal, "SIGUSR2"):  # not on Windows
    _SIGNALS[signal.SIGUSR2] = _USR2


def reason_of(number: int) -> Reason:
    """Why a process stops that was sent this signal."""
    return REASONS[_SIGNALS[signal.Signals(number)] - 1]


def reason_of_file() -> Reason:
    """Why a process stops that found the STOP file."""
    return REASONS[_FILE - 1]


class Stopped(BaseException):
    """The run was asked to stop and did. No error, so nothing that handles errors sees it."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled by trials of a sweep, which run in other processes."""
        return Stopped, (self.reason, str(self))


class StopRequested(BaseException):
    """Raised in `StopRequest.at_once`, and by what can wait for the next start. No error, as with
    Stopped."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.text)
        self.reason = reason


@contextmanager
def signals_blocked() -> Iterator[None]:
    """Block the stop signals: processes started meanwhile inherit the mask and never get them.

    SLURM and torchrun send them to every process there is, and a loader that dies of one would
    spoil the last steps. What comes during the block reaches this process at its end.
    """
    # Once it runs it is left alone; to start it would let the signals through again.
    _start_tracker()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _start_tracker() -> None:
    """What cleans up after processes that end at once; it shall not have the last word then."""
    warnings = os.environ.get("PYTHONWARNINGS")
    ours = "ignore:resource_tracker"
    os.environ["PYTHONWARNINGS"] = f"{warnings},{ours}" if warnings else ours
    try:
        resource_tracker.ensure_running()
    finally:
        if warnings is None:
            del os.environ["PYTHONWARNINGS"]
        else:
            os.environ["PYTHONWARNINGS"] = warnings


class StopRequest:
    """Handles requests to stop while its block runs. Rank 0 looks for the file `STOP` in `folder`.

    The job's end counts as near `seconds_before_end` ahead of it, but never before half of the time
    that was left at the start has passed, or a short job would not get anywhere. Outside of the
    main thread signals cannot be handled.
    """

    def __init__(self, folder: Path, *, seconds_before_end: float) -> None:
        self._file = folder / STOP_FILE
        self._request = _NONE
        self._deferred = False
        self._interrupted: float | None = None
        self._old_handlers: dict[int, Any] = {}
        self._exchange: DelayedMaximum | None = None
        self._told = False
        self._waiting = False
        # Which step's checkpoint the run could go on from.
        self.newest: Callable[[], int | None] = lambda: None
        end = job_end_time()
        now = time.time()
        self._deadline = None if end is None else end - min(seconds_before_end, (end - now) / 2)

    def __enter__(self) -> Self:
        self._read, self._write = os.pipe()
        os.set_blocking(self._write, False)
        if current_thread() is main_thread():
            self._old_wakeup = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
            self._old_handlers = {
                number: signal.signal(number, self._on_signal) for number in _SIGNALS
            }
        self._thread = Thread(target=self._listen, name="stop-request", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._old_handlers.items():
            signal.signal(number, handler)
        if self._old_handlers:
            signal.set_wakeup_fd(self._old_wakeup)
        os.close(self._write)
        self._thread.join()
        os.close(self._read)

    @contextmanager
    def at_step_boundaries(self, device: torch.device) -> Iterator[None]:
        """During the block requests are noted for `agreed`. All ranks enter and leave together."""
        from hpc.collectives import DelayedMaximum

        self._exchange = DelayedMaximum(device)
        self._deferred = True
        yield
        self._exchange.wait()

    def agreed(self) -> Reason | None:
        """Whether, and why, all ranks stop at this step boundary; every rank calls it at each.

        What is asked for during a step is known to all at the boundary after the next one: the
        all-reduce overlaps with the step, so nobody waits for it.
        """
        assert self._exchange is not None
        largest = self._exchange(self._request)
        if not largest:
            return None
        self._tell(REASONS[largest - 1])
        return REASONS[largest - 1]

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """A request by a signal ends the block with StopRequested.

        For a process that waits, alone, for what may never come: where there are others, it cannot
        stop without them.
        """
        from hpc.collectives import world_size

        self._waiting = world_size() == 1
        try:
            yield
        finally:
            self._waiting = False

    def acknowledge(self, reason: Reason) -> None:
        """Remove the STOP file that asked for it, so that the next start goes on."""
        if reason is REASONS[_FILE - 1]:
            self._file.unlink(missing_ok=True)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._note(_SIGNALS[signal.Signals(number)])
        if self._waiting:
            # Once: what comes while this is handled is noted only.
            self._waiting = False
            raise StopRequested(REASONS[self._request - 1])
        if self._deferred:
            return
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        reason = REASONS[self._request - 1]
        raise Stopped(reason, f"stopped by {reason.text} before training began.")

    def _note(self, request: int) -> None:
        self._request = max(self._request, request)

    def _listen(self) -> None:
        """Hear signals also while the main thread waits for others, and look around now and then.

        A request is answered with a line from here, and the second Ctrl-C with the end.
        """
        while True:
            ready, _, _ = select.select([self._read], [], [], _LOOK_SECONDS)
            if ready:
                numbers = os.read(self._read, 1024)
                if not numbers:
                    return
                if signal.SIGINT in numbers:
                    self._count_interrupt()
                for number in numbers:
                    if self._deferred and number in _SIGNALS:
                        self._tell(REASONS[_SIGNALS[signal.Signals(number)] - 1])
            self._look_around()

    def _count_interrupt(self) -> None:
        now = time.monotonic()
        if self._interrupted is None:
            self._interrupted = now
        elif now - self._interrupted > _SAME_SECONDS:
            self._end_at_once()

    def _end_at_once(self) -> NoReturn:
        # A progress bar hides the cursor.
        cursor = "\x1b[?25h\n" if sys.stderr is not None and sys.stderr.isatty() else ""
        told = self._deferred and is_first_process()
        abort_process(
            f"{cursor}histosyn: {self._what_is_lost()}\n" if told else cursor,
            exit_code=_INTERRUPTED_EXIT_CODE,
        )

    def _what_is_lost(self) -> str:
        ended = "ended at once by a second Ctrl-C"
        try:
            newest = self.newest()
        except OSError as error:
            return f"{ended}; the checkpoints cannot be listed ({error.strerror})."
        if newest is None:
            return f"{ended}. Nothing was saved: there is no checkpoint yet."
        return (
            f"{ended}. Nothing was saved since step {newest}; the same command goes on from there."
        )

    def _tell(self, reason: Reason) -> None:
        """Once, as soon as it is known: saving may have to wait for the end of a long step."""
        if self._told or not is_first_process():
            return
        self._told = True
        more = ", Ctrl-C again ends it without" if reason is REASONS[_INT - 1] else ""
        logger.info(
            "asked to stop (%s): a checkpoint is saved after this step%s", reason.text, more
        )

    def _look_around(self) -> None:
        if self._deadline is not None and time.time() >= self._deadline:
            self._ask(_END)
        if launcher_is_gone():
            self._ask(_GONE)
        # The disk may be gone for a moment.
        with suppress(OSError):
            if is_first_process() and self._file.exists():
                self._ask(_FILE)

    def _ask(self, request: int) -> None:
        self._note(request)
        if self._deferred:
            self._tell(REASONS[request - 1])
