"""What a log for another program is told, and what it can do."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What a run has noted of a step: numbers by name, and the picture drawn then, if any."""

    step: int
    numbers: dict[str, float]
    picture: Path | None = None


class RunLog(Protocol):
    """A log of one start of a run. `first_step` is the first one that it still wants to know."""

    name: str
    first_step: int

    def add(self, entry: Entry) -> None:
        """Write one entry; they come in the order of steps."""

    def flush(self) -> None:
        """Have what was added on the disk."""

    def close(self) -> None:
        """End the log."""
