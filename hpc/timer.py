"""What is due by the clock, known to all ranks at the same edge of a step."""

from __future__ import annotations

import time

import torch

from hpc.collectives import DelayedMaximum


class Timer:
    """Says every so many minutes that they are over. Rank 0's clock counts, the others follow.

    Every rank calls it at each edge of a step, and `wait` after the last one. The answer is that
    of the edge before, so nobody waits for it. At 0 minutes nothing is ever due.
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
        """Count from now on: what was waited for has just been done."""
        self._since = time.monotonic()

    def wait(self) -> None:
        """Wait for what is on its way."""
        self._exchange.wait()
