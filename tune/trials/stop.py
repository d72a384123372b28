"""Asking a sweep to stop: its trials save and end, and no other one begins.

The request is the file STOP in the sweep's folder, which trials see on whatever node they train. A
signal to the process that runs the sweep writes it, the job file does, and so may people.
"""

from __future__ import annotations

import signal
from contextlib import suppress
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Self

from hpc.log import logger
from hpc.preemption import STOP_FILE, Reason, StopRequest, reason_of, reason_of_file

_SIGNALS = [getattr(signal, name) for name in ("SIGTERM", "SIGUSR2") if hasattr(signal, name)]


class StopOfTrial(StopRequest):
    """In a trial: the request is the sweep's, and others are to see it, too."""

    def acknowledge(self, reason: Reason) -> None:
        """Leave the file to who runs the sweep."""


class StopOfSweep:
    """In the process that runs the sweep, for as long as its block runs; then the file goes."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / STOP_FILE
        self._reason: Reason | None = None
        self._told = False
        self._old_handlers: dict[int, Any] = {}

    def __enter__(self) -> Self:
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
        self._reason = reason_of(number)
        # On a full disk trials train to their end, and no other one begins.
        with suppress(OSError):
            self._file.touch()
