"""Logging and metrics: rich on a terminal, plain lines in a job log, one JSON object a report.

Rank 0 logs to the terminal; warnings of other ranks go to `log-rank-N.txt` in the run folder.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import count
from pathlib import Path
from typing import Annotated, Any, TypeVar

from msgspec import Meta
from rich.console import Console
from rich.live import Live
from rich.logging import RichHandler
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from hpc.files import write_bytes, write_text
from hpc.records import Count, Lines, Records, Seconds, Text
from hpc.terminal_text import ERRORS, readable
from hpc.topology import Topology

logger = logging.getLogger("histosyn")

# What records in seconds are called where people read them.
_ETA = {"eta_seconds": "eta"}

Item = TypeVar("Item")
_PLAIN_FIRST_SECONDS = 3.0
_PLAIN_INTERVAL_SECONDS = 10.0
# ISO 8601, on terminals and in job logs alike.
_TIME_FORMAT = "%Y-%m-%dT%H:%M:%S"
_COLUMNS = (
    TextColumn("{task.description}"),
    BarColumn(),
    MofNCompleteColumn(),
    TimeRemainingColumn(),
)


def set_up_logging(topology: Topology, run_folder: Path | None = None) -> None:
    """Send log records to the terminal (rank 0) or to a file of the run folder (other ranks)."""
    handler: logging.Handler
    if topology.is_first:
        handler = _terminal_handler()
        logger.setLevel(logging.INFO)
    elif run_folder is None:
        handler = logging.NullHandler()
    else:
        run_folder.mkdir(parents=True, exist_ok=True)
        path = run_folder / f"log-rank-{topology.rank}.txt"
        handler = logging.FileHandler(path, delay=True, encoding="utf-8", errors=ERRORS)
        handler.setFormatter(_Readable("%(asctime)s %(levelname)s %(message)s"))
        logger.setLevel(logging.WARNING)
    for old in list(logger.handlers):
        logger.removeHandler(old)
        old.close()
    logger.addHandler(handler)
    logger.propagate = False


@contextmanager
def warnings_left_out() -> Iterator[None]:
    """For work that is done once more afterwards, and then tells what there is to tell."""
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def key_values(record: dict[str, Any]) -> str:
    """One plain line: `step=100 loss/hinge=1.234 ... eta=0:05:45`.

    Seconds that are left are shown as bars and `histosyn status` show them.
    """
    shown = {_ETA.get(key, key): _short(key, value) for key, value in record.items()
             if value is not None}  # fmt: skip
    return " ".join(f"{key}={value}" for key, value in shown.items())


def duration(seconds: float) -> str:
    """As h:mm:ss, as rich's bars show it; a day is 24:00:00."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"


def on_terminal() -> bool:
    """Whether somebody watches: progress is a bar then, and lines of a job log otherwise."""
    return sys.stderr is not None and sys.stderr.isatty()


@contextmanager
def progress_bar(*, total: int, done: int, what: str) -> Iterator[Callable[[int], None]]:
    """A bar with an ETA on the terminal; the block calls what it gets with the number done."""
    with Progress(*_COLUMNS, console=_terminal()) as progress:
        task = progress.add_task(what, total=total, completed=done)
        yield lambda completed: progress.update(task, completed=completed)


def terminal_height() -> int:
    """How many lines the terminal has."""
    return _terminal().height


@contextmanager
def live_display() -> Iterator[Callable[[Any], None]]:
    """What stands below the log lines on a terminal; the block calls what it gets to change it.

    It goes when the block ends: what came of it is told by other means.
    """
    with Live(console=_terminal(), auto_refresh=False, transient=True) as live:
        yield lambda shown: live.update(shown, refresh=True)


def track(items: Iterable[Item], *, total: int, what: str) -> Iterator[Item]:
    """Yield the items and show progress: a bar with an ETA on a terminal, else log lines.

    Only for rank 0; the others iterate over their items as they are.
    """
    if on_terminal():
        with progress_bar(total=total, done=0, what=what) as move_to:
            for done, item in enumerate(items, 1):
                yield item
                move_to(done)
        return
    started = time.monotonic()
    due = started + _PLAIN_FIRST_SECONDS
    for done, item in enumerate(items):
        now = time.monotonic()
        if done and now > due:
            due = now + _PLAIN_INTERVAL_SECONDS
            eta = (now - started) / done * (total - done)
            logger.info("%s", key_values({what: f"{done}/{total}", "eta_seconds": round(eta)}))
        yield item


@dataclass(frozen=True, kw_only=True)
class Report:
    """What is used of a line of a run's logs: its step, and what `metrics.jsonl` tells of speed."""

    step: Count
    images_seen: Count | None = None
    images_per_second: Annotated[float, Meta(le=1e12)] | None = None
    eta_seconds: Seconds | None = None
    precision: Text | None = None


REPORTS = Records(
    kind=Report,
    remedy="Running the same training command again sets it aside and goes on with what is sound.",
    # Losses may be anything.
    finite=False,
)


class RecordsFile:
    """JSON lines, such as `metrics.jsonl`: one object a record, in the order of steps.

    What a kill left of the last line is no record, and goes when the next one is appended.
    """

    def __init__(self, path: Path, kind: Records[Any] = REPORTS) -> None:
        self.path = path
        self.kind = kind

    def append(self, *records: dict[str, Any]) -> None:
        """Add reports; they are on the disk when this returns.

        Raises OSError naming the file, of which nothing is changed then.
        """
        with self.path.open("a+b", buffering=0) as file:
            end = file.tell()
            lines = b"".join(json.dumps(each).encode() + b"\n" for each in records)
            if end and os.pread(file.fileno(), 1, end - 1) != b"\n":
                # A kill cut the last line short, or only its end.
                cut = self._lines().cut
                lines = lines if cut else b"\n" + lines
                end -= cut
                file.truncate(end)
            try:
                while lines:
                    lines = lines[file.write(lines) :]
                os.fsync(file.fileno())
            except OSError as error:
                file.truncate(end)
                error.filename = str(self.path)
                raise

    def read(self) -> list[dict[str, Any]]:
        """All records. Raises the kind's error, which names the line, if one is damaged."""
        return self.kind.require_sound(self._lines())

    def look(self) -> Lines:
        """All records that are sound, and which lines are not."""
        return self._lines()

    def truncate_after(self, step: int) -> None:
        """Drop the reports of later steps, which a resumed run is going to write again.

        Damaged lines are told, and the file is kept as it was beside the one that goes on.
        """
        if self.path.exists():
            found = self._told_and_set_aside()
            self._rewrite([record for record in found if record["step"] <= step])

    def sound(self) -> list[dict[str, Any]]:
        """All records that are sound, for who is going to append others.

        Damaged lines are told, and the file is kept as it was beside the one that goes on.
        """
        return self._told_and_set_aside()

    def _lines(self) -> Lines:
        return self.kind.read_lines(self.path) if self.path.exists() else Lines(records=[])

    def _rewrite(self, records: list[dict[str, Any]]) -> None:
        write_text(self.path, "".join(json.dumps(record) + "\n" for record in records))

    def _told_and_set_aside(self) -> list[dict[str, Any]]:
        found = self._lines()
        if found.faults:
            self._set_aside(found)
            self._rewrite(found.records)
        return found.records

    def _set_aside(self, found: Lines) -> None:
        names = (f"damaged-{self.path.name}{f'.{n}' if n > 1 else ''}" for n in count(1))
        aside = next(free for name in names if not (free := self.path.with_name(name)).exists())
        write_bytes(aside, self.path.read_bytes())
        logger.warning(
            "%s The file as it was is kept as %s; the run goes on with its %d sound lines.",
            found.told(), aside.name, len(found.records),
        )  # fmt: skip


def _terminal_handler() -> logging.Handler:
    handler: logging.Handler
    if on_terminal():
        handler = RichHandler(
            console=_terminal(), show_path=False, show_level=False, log_time_format=_TIME_FORMAT
        )
        handler.setFormatter(_Readable("%(message)s"))
        return handler
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Readable("%(asctime)s %(message)s", _TIME_FORMAT))
    return handler


class _Readable(logging.Formatter):
    """Lines that say names as they are, and that a terminal only shows."""

    def format(self, record: logging.LogRecord) -> str:
        return readable(super().format(record))


@cache
def _terminal() -> Console:
    """One for bars and log lines, so that lines appear above a bar and not through it."""
    return Console(stderr=True)


def _short(key: str, value: Any) -> str:
    if key in _ETA:
        return duration(value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)
