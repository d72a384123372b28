"""The ETA of the demo's training, measured in its first steps and printed once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hpc.log import RecordsFile

REPORT_EVERY = 5
_MINUTE = 60


class Forecast:
    """Reads the reports of a run that is about to go on; those of earlier starts do not count."""

    def __init__(self, run: Path) -> None:
        self._metrics = RecordsFile(run / "metrics.jsonl")
        self._seen = max((record["step"] for record in self._metrics.read()), default=0)
        self._told = False

    def news(self) -> str | None:
        """How long it takes, once: when the second report is there. The first has the start in it,
        in which much is prepared for the first time.
        """
        if self._told:
            return None
        new = [record for record in self._metrics.read() if record["step"] > self._seen]
        if len(new) < 2:
            return None
        self._told = True
        return _text(new[1])


def _text(report: dict[str, Any]) -> str:
    return (
        f"  Measured in its first steps, in {report['precision']}: {_duration(report)} to go with "
        "the training on this machine, and half a minute or a whole one for the rest."
    )


def _duration(report: dict[str, Any]) -> str:
    seconds = report["eta_seconds"]
    if seconds < 2 * _MINUTE:
        return f"{seconds:.0f} seconds"
    return f"{seconds / _MINUTE:.0f} minutes"
