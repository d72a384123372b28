"""A timer on which all ranks agree at the same step boundary."""

from __future__ import annotations

import time

import torch

from hpc.collectives import DelayedMaximum


class Timer:
    """True every so many minutes, by rank 0's clock, on all ranks.

    Every rank calls it at each step boundary, and `wait` after the last one. The answer is that of
    the boundary before, so nobody waits for the all-reduce. At 0 minutes nothing is ever due.
    """

    def __init__(self, minutes: float, device: torch.device, *, is_first: bool) -> None:
        self._seconds = 60 * minutes
        self._is_first = is_first
        self._exchange = DelayedMaximum(device)
        self.restart()

    def __call__(self) -> bool:
        """Whether it is time, on all ranks alike."""
        if not self._seconds:
            return False
        over = self._is_first and time.monotonic() - self._since >= self._seconds
        if over:
            self.restart()
        return bool(self._exchange(int(over)))

    def restart(self) -> None:
        """Count from now on."""
        self._since = time.monotonic()

    def wait(self) -> None:
        """Wait for the pending all-reduce."""
        self._exchange.wait()
