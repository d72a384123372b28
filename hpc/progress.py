"""Progress lines by time: long work logs how far it is after a few seconds, then every 30 seconds.

How many items a second there will be is not known beforehand, so it is not items that are counted.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from hpc.log import key_values, logger

# Who starts something wants to see that it works; later on, that it still does.
_FIRST_SECONDS = 3.0
_LATER_SECONDS = 30.0
_QUICK_SECONDS = 1.0

# What has taken less than that before: nobody needs to be told that it begins again.
_quick: set[str] = set()


class ProgressLog:
    """Logs how much of `what` is done, how long an item takes, and the ETA."""

    def __init__(self, what: str, *, total: int, done: int = 0) -> None:
        self.what = what
        self.total = total
        self._done_before = done
        self._started = self._said = time.monotonic()
        self._patience = _FIRST_SECONDS

    def update(self, done: int) -> None:
        """Set how much is done; log a line if the last one is long ago."""
        now = time.monotonic()
        if done == self._done_before or now - self._said < self._patience:
            return
        self.postpone()
        each = (now - self._started) / (done - self._done_before)
        line = {
            self.what: f"{done}/{self.total}",
            "seconds_each": each,
            "eta_seconds": round(each * (self.total - done)),
        }
        logger.info("%s", key_values(line))

    def postpone(self) -> None:
        """Restart the interval: something else has just logged the progress."""
        self._said = time.monotonic()
        self._patience = _LATER_SECONDS


@contextmanager
def timed(what: str) -> Iterator[None]:
    """Name work that has no steps before it begins, and say afterwards how long it took.

    What is done in less than a second gets no second line, and the next time not even a first.
    """
    started = time.monotonic()
    if what not in _quick:
        logger.info("%s ...", what)
    yield
    seconds = time.monotonic() - started
    if seconds < _QUICK_SECONDS:
        _quick.add(what)
    else:
        logger.info("%s: %.1f s", what, seconds)
