"""Logs that other programs show, TensorBoard's and Weights & Biases', beside a run's own records.

They are made from `metrics.jsonl`, `spectra.jsonl`, a trial's `evaluations.jsonl` and `samples/`,
which stay the truth: what a log lacks is taken from there at the next start, and it holds each step
once. A log that cannot be written is told and left; it stops no training.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from histosyn.config.file import as_plain
from histosyn.config.run import ResumableRunConfig, Settings
from histosyn.training.log_entries import Entry, RunLog
from histosyn.training.steps import StepTrainer
from hpc.extras import missing_extra
from hpc.json_toml import plain_json
from hpc.log import logger

# A run's records, and what stands before the names of their numbers.
_RECORDS = {"metrics.jsonl": "", "spectra.jsonl": "spectra/", "evaluations.jsonl": "evaluation/"}
_WITH_PICTURE = "spectra.jsonl"
_PACKAGES = {"tensorboard": "TensorBoard", "wandb": "Weights & Biases"}


def require_logs(run: ResumableRunConfig) -> None:
    """Raise InputError naming the package that a configured log needs, and how to install it."""
    for extra, packages in _PACKAGES.items():
        if getattr(run, extra) and find_spec(extra) is None:
            raise missing_extra(f"run.{extra} = true", packages, extra)


def open_logs(config: Settings, step: int) -> list[RunLog]:
    """The configured logs of a run that goes on from `step`, on the first rank."""
    # Here, because both packages take seconds to import and are extras.
    logs: list[RunLog] = []
    if config.run.tensorboard:
        from histosyn.training.tensorboard_log import TensorBoardLog

        with _Guarded(logs, "tensorboard"):
            logs.append(TensorBoardLog(config.run.folder, step, settings_of(config)))
    if config.run.wandb:
        from histosyn.training.wandb_log import WandbLog

        with _Guarded(logs, "wandb"):
            logs.append(WandbLog(config.run.folder, settings_of(config)))
    return logs


def settings_of(config: Settings) -> dict[str, Any]:
    """All settings by dotted name, for comparison with other runs; not where the run lies."""
    return {
        f"{section}.{name}": value
        for section, values in as_plain(config).items()
        for name, value in values.items()
        if (section, name) != ("run", "folder")
    }


@dataclass
class _Source:
    """One file of records, and how far the logs have it."""

    path: Path
    prefix: str
    offset: int = 0
    told: int = -1

    def news(self, until: int) -> list[Entry]:
        """Entries up to a step that were appended since the last call.

        Lines of later steps are what a run that was cut off has left; they are about to go. A file
        that has become shorter is read from its start.
        """
        found = []
        for line in self._lines():
            record = _record(line)
            if record is not None and record["step"] > until:
                break
            self.offset += len(line)
            if record is not None:
                found.append(self._entry(record))
        return found

    def _lines(self) -> list[bytes]:
        """Whole lines beyond `offset`."""
        if not self.path.exists():
            return []
        with self.path.open("rb") as file:
            if file.seek(0, os.SEEK_END) < self.offset:
                self.offset = 0
            file.seek(self.offset)
            return [line for line in file.read().splitlines(True) if line.endswith(b"\n")]

    def _entry(self, record: dict[str, Any]) -> Entry:
        step = record["step"]
        picture = self.path.parent / "samples" / f"step-{step:08d}.png"
        # Of a sweep's measurements, those by name.
        values = record.get("values")
        flat = record | (values if isinstance(values, dict) else {})
        numbers = {f"{self.prefix}{name}": value for name, value in _numbers(flat)}
        shown = self.path.name == _WITH_PICTURE and picture.is_file()
        return Entry(step=step, numbers=numbers, picture=picture if shown else None)


class KeepLogs:
    """Observer that brings `logs` up to date with the run's records."""

    def __init__(self, run: ResumableRunConfig, logs: list[RunLog]) -> None:
        self.report_interval = run.report_every
        self.interval = 1
        self.logs = logs
        self._sources = [_Source(run.folder / name, prefix) for name, prefix in _RECORDS.items()]

    def __call__(self, trainer: StepTrainer) -> None:
        """After each report, add what is new."""
        if trainer.step % self.report_interval == 0 or trainer.finished:
            self.update(trainer.step)

    def before_checkpoint(self, trainer: StepTrainer) -> None:
        """A run that goes on from a checkpoint finds in its logs all that came before it."""
        self.update(trainer.step)
        for log in list(self.logs):
            with _Guarded(self.logs, log.name):
                log.flush()

    def update(self, step: int) -> None:
        """Add what the records have, up to a step, and the logs have not."""
        if not self.logs:
            return
        news = [(source, entry) for source in self._sources for entry in source.news(step)]
        # Of one step what is measured comes before what is drawn.
        for source, entry in sorted(news, key=lambda pair: pair[1].step):
            for log in list(self.logs):
                if entry.step > max(source.told, log.first_step - 1):
                    with _Guarded(self.logs, log.name):
                        log.add(entry)
            source.told = max(entry.step, source.told)

    def close(self, step: int) -> None:
        """Add the last entries and end the logs."""
        self.update(step)
        for log in list(self.logs):
            with _Guarded(self.logs, log.name):
                log.close()


class _Guarded:
    """Tells an error of a log, and leaves the log: what it would hold is in the records."""

    def __init__(self, logs: list[RunLog], name: str) -> None:
        self.logs = logs
        self.name = name

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: Any, trace: Any) -> bool:
        # Packages of others raise what they like.
        if not isinstance(error, Exception):
            return False
        self.logs[:] = [log for log in self.logs if log.name != self.name]
        logger.warning(
            "The log for %s cannot be written any more: %s. Training goes on without it, "
            "metrics.jsonl has all numbers; the next start of this run makes up for it.",
            _PACKAGES[self.name], error,
        )  # fmt: skip
        return True


def _record(line: bytes) -> dict[str, Any] | None:
    """None for a damaged line; the start of the run has told those of its records."""
    try:
        found = plain_json(line, finite=False)
    except ValueError:
        return None
    sound = isinstance(found, dict) and isinstance(found.get("step"), int)
    return found if sound else None


def _numbers(record: dict[str, Any]) -> Iterator[tuple[str, float]]:
    for name, value in record.items():
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if name != "step" and is_number and math.isfinite(value):
            yield name, float(value)
