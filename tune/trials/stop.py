"""Asking a sweep to stop: its trials save and end, and no other one begins.

The request is the file STOP in the sweep's folder, which trials see on whatever node they train. A
signal to the process that runs the sweep writes it, the job file does, and so may people. A full
disk is a reason, too: no trial is to blame for it.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Self

from hpc.deferred_writes import is_full_disk
from hpc.errors import FullDiskError
from hpc.log import logger
from hpc.preemption import STOP_FILE, Reason, Stopped, StopRequest, reason_of, reason_of_file

_SIGNALS = [getattr(signal, name) for name in ("SIGTERM", "SIGUSR2") if hasattr(signal, name)]


def require_not_asked(folder: Path) -> None:
    """Stopped if a trial of the sweep in `folder` need not begin."""
    if (folder / STOP_FILE).exists():
        raise Stopped(reason_of_file(), "asked to stop before it began.")


@contextmanager
def telling_of_a_full_disk(folder: Path) -> Iterator[None]:
    """A full disk that the block meets becomes a FullDiskError."""
    try:
        yield
    except OSError as error:
        if not is_full_disk(error):
            raise
        raise FullDiskError(
            f"{error.filename or folder} could not be written: {error.strerror}. What was written "
            "before is as it was. Make room, and run the same command again."
        ) from error


class StopOfTrial(StopRequest):
    """In a trial: the request is the sweep's, and others are to see it, too."""

    def acknowledge(self, reason: Reason) -> None:
        """Leave the file to who runs the sweep."""


class StopOfSweep:
    """In the process that runs the sweep, for as long as its block runs; then the file goes.

    One that a killed process has left, which says for what reason, asks nobody any more.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / STOP_FILE
        self._reason: Reason | None = None
        self.full_disk: FullDiskError | None = None
        self._told = False
        self._old_handlers: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if self._file.exists() and self._file.stat().st_size:
            self._file.unlink()
        self._old_handlers = {number: signal.signal(number, self._on_signal) for number in _SIGNALS}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._old_handlers.items():
            signal.signal(number, handler)
        if self._reason is not None:
            with suppress(OSError):
                self._file.unlink(missing_ok=True)

    @contextmanager
    def at_a_full_disk(self) -> Iterator[None]:
        """The sweep stops if the block meets one."""
        try:
            with telling_of_a_full_disk(self._file.parent):
                yield
        except FullDiskError as error:
            self.because_of(error)

    def because_of(self, error: FullDiskError) -> None:
        """The sweep is to stop, and this is to be told at its end."""
        self.full_disk = self.full_disk or error
        self._told = True
        self._ask(reason_of_file())

    def asked(self) -> Reason | None:
        """Why the sweep is to stop, if it is; told once."""
        if self._reason is None and self._file.exists():
            self._reason = reason_of_file()
        if self._reason is not None and not self._told:
            self._told = True
            logger.info(
                "asked to stop (%s): trials save and end, no other one begins", self._reason.text
            )
        return self._reason

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._ask(reason_of(number))

    def _ask(self, reason: Reason) -> None:
        self._reason = reason
        # On a full disk trials train to their end, and no other one begins.
        with suppress(OSError):
            self._file.write_text(f"{reason.text}\n", "utf-8")
