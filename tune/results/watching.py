"""Telling people how a sweep stands: a table on a terminal, `key=value` lines in a job log."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from hpc.errors import HistosynError
from hpc.files import write_text
from hpc.log import key_values, live_display, logger, on_terminal, terminal_height
from tune.plan.config import Sweep
from tune.report.board import board, line_of, name_of, standing
from tune.report.leaderboard import FILE as LEADERBOARD
from tune.report.leaderboard import leaderboard_csv
from tune.report.record import Trial
from tune.results.sweep_record import record_of, trial_of

if TYPE_CHECKING:
    from tune.plan.trial_folder import Turn

_FIRST_SECONDS = 3.0
_LATER_SECONDS = 30.0
_TABLE_SECONDS = 2.0
# Of a sweep with very many trials the table is drawn more seldom: it takes no more than this share.
_SHARE = 0.05


class Watch(Protocol):
    """Somebody, or a log, that is told of a sweep. A turn is a trial, or a repeat of one."""

    def passing(self, turns: Sequence[Turn]) -> None:
        """Time passes, and these train; called often."""

    def begun(self, turn: Turn) -> None:
        """It was started."""

    def measured(self, turn: Turn) -> None:
        """It has a new measurement."""

    def ended(self, turn: Turn) -> None:
        """It has an outcome."""


@contextmanager
def watching(sweep: Sweep) -> Iterator[Watch]:
    """A table for whoever watches a terminal, lines elsewhere."""
    if not on_terminal():
        yield Lines(sweep)
        return
    with live_display() as show:
        table = LiveTable(sweep, show)
        table.draw()
        yield table


class Lines:
    """A line for each trial that begins, is measured, and ends.

    In between, by time, one for each trial that trains.
    """

    def __init__(self, sweep: Sweep) -> None:
        self._sweep = sweep
        self._due = time.monotonic() + _FIRST_SECONDS

    def passing(self, turns: Sequence[Turn]) -> None:
        """Tell how far they are, after a few seconds and then now and then."""
        now = time.monotonic()
        if now < self._due:
            return
        trials = [trial for turn in turns if (trial := _trial(self._sweep, turn)) is not None]
        told = [trial for trial in trials if trial.state == "running" and trial.step]
        for trial in told:
            _log(line_of(trial))
        self._due = now + (_LATER_SECONDS if told else 1.0)

    def begun(self, turn: Turn) -> None:
        """Tell with which settings."""
        trial = _trial(self._sweep, turn)
        if trial is not None:
            _log({"trial": name_of(trial), "state": "begun", "seed": trial.seed, **trial.values})

    def measured(self, turn: Turn) -> None:
        """Tell what."""
        trial = _trial(self._sweep, turn)
        if trial is not None:
            _log(line_of(trial))

    def ended(self, turn: Turn) -> None:
        """Tell how, and how the sweep stands now."""
        trial = _trial(self._sweep, turn)
        if trial is not None:
            _log(line_of(trial))
            _tell_reason(trial)
        _log(_stand(self._sweep))


class LiveTable:
    """The table, drawn anew when something happens and now and then; reasons stand above it."""

    def __init__(self, sweep: Sweep, show: Any) -> None:
        self._sweep = sweep
        self._show = show
        self._due = 0.0

    def draw(self) -> None:
        """Draw it now."""
        began = time.monotonic()
        try:
            self._show(board(record_of(self._sweep), terminal_height()))
        except (HistosynError, OSError) as error:
            # A trial's file may be damaged: who goes on with it says so.
            logger.warning("%s", error)
        now = time.monotonic()
        self._due = now + max(_TABLE_SECONDS, (now - began) / _SHARE)

    def passing(self, turns: Sequence[Turn]) -> None:
        """Draw it if it is time."""
        if time.monotonic() >= self._due:
            self.draw()

    def begun(self, turn: Turn) -> None:
        """Draw it."""
        self.draw()

    def measured(self, turn: Turn) -> None:
        """Draw it."""
        self.draw()

    def ended(self, turn: Turn) -> None:
        """Tell why, if there is a reason, and draw it."""
        trial = _trial(self._sweep, turn)
        if trial is not None:
            _tell_reason(trial)
        _stand(self._sweep)
        self.draw()


def _trial(sweep: Sweep, turn: Turn) -> Trial | None:
    """None if its files are damaged, which is told when it goes on."""
    try:
        return trial_of(sweep, *turn)
    except (HistosynError, OSError):
        return None


def _stand(sweep: Sweep) -> dict[str, Any]:
    """How the sweep stands, which `leaderboard.csv` then says, too."""
    try:
        record = record_of(sweep)
        write_text(sweep.sweep.folder / LEADERBOARD, leaderboard_csv(record))
    except (HistosynError, OSError) as error:
        # It is written again when the next trial ends.
        logger.warning("%s", error)
        return {}
    return standing(record)


def _tell_reason(trial: Trial) -> None:
    if trial.reason:
        logger.info("trial %s %s: %s", name_of(trial), trial.state, trial.reason)


def _log(line: dict[str, Any]) -> None:
    if line:
        logger.info("%s", key_values(line))
