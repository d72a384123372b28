"""Follow jobs: what they print and what SLURM says of them, until they have ended."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from launch.jobs.slurm import is_under_way, states_of
from launch.terminal.console import say

# Logs are looked at each second, the controller, which all users share, is asked less often.
_LOOK_SECONDS = 1.0
_ASK_SECONDS = 5.0
# A job that is requeued may look ended for a moment.
_ANSWERS_OF_AN_END = 2
_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True)
class SubmittedJob:
    """A submitted job, by its number, and its logs by task ("" where there is but one)."""

    number: str
    logs: Mapping[str, Path]


@dataclass(kw_only=True)
class LogTail:
    """What a log has got since it was last looked at; `prefix` stands before each line.

    A job that is requeued appends to its log. A line is held back until it is whole.
    """

    path: Path
    prefix: str = ""
    _position: int = field(default=0, init=False)
    _rest: bytes = field(default=b"", init=False)

    def news(self, *, is_last: bool = False) -> list[str]:
        """New whole lines; at the end also one that was cut off."""
        try:
            with self.path.open("rb") as file:
                file.seek(self._position)
                while block := file.read(_BLOCK_BYTES):
                    self._position += len(block)
                    self._rest += block
        except FileNotFoundError:
            return []
        *lines, self._rest = self._rest.split(b"\n")
        if is_last and self._rest:
            lines.append(self._rest)
        return [self.prefix + line.decode(errors="replace") for line in lines]


def follow(jobs: Sequence[SubmittedJob]) -> dict[str, tuple[str, ...]]:
    """Print the logs of jobs to stdout and their states to stderr until all have ended.

    Returns the last states known of each job; KeyboardInterrupt passes through.
    """
    tails = [
        LogTail(path=path, prefix=f"[{task}] " if task else "")
        for job in jobs
        for task, path in job.logs.items()
    ]
    known: dict[str, tuple[str, ...]] = {}
    ended, asked = 0, -_ASK_SECONDS
    while ended < _ANSWERS_OF_AN_END:
        if time.monotonic() - asked >= _ASK_SECONDS:
            asked = time.monotonic()
            states = states_of(job.number for job in jobs)
            if states is not None:
                _tell_changes(known, states)
                known |= states
                ended = 0 if any(map(is_under_way, states.values())) else ended + 1
        _print_news(tails)
        time.sleep(_LOOK_SECONDS)
    _print_news(tails, is_last=True)
    return known


def _print_news(tails: Sequence[LogTail], *, is_last: bool = False) -> None:
    for tail in tails:
        for line in tail.news(is_last=is_last):
            say(line)


def _tell_changes(
    before: Mapping[str, tuple[str, ...]], now: Mapping[str, tuple[str, ...]]
) -> None:
    for number, states in now.items():
        if before.get(number) != states:
            say(f"job {number}: {', '.join(states).lower()}", stderr=True)
