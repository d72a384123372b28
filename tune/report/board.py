"""How a sweep stands: a table for people who watch, `key=value` lines for a job log."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from eval.report.numbers import digits
from hpc.log import duration
from hpc.terminal_text import readable
from tune.report.record import ENDED, State, SweepRecord, Trial, setting_text

# Around the rows: title, head of several lines, borders, caption.
_AROUND = 12
_FEWEST_ROWS = 5
_STYLES: dict[State, str] = {
    "running": "green", "stopped": "dim", "failed": "bold red", "diverged": "yellow",
    "waiting": "dim", "unfinished": "yellow",
}  # fmt: skip


def board(record: SweepRecord, height: int | None = None) -> Table:
    """The table: trials that train, then the best; on a terminal of `height` lines as fit."""
    table = Table(
        title=Text(readable(f"{record.name}: {progress(record)}")), title_justify="left",
        caption=Text(readable(_caption(record))), caption_justify="left",
    )  # fmt: skip
    for name in ("trial", "state", *(setting.name for setting in record.settings)):
        table.add_column(_narrow(name), overflow="fold")
    for name in (record.objective_words, "images seen", "left"):
        table.add_column(_narrow(name), justify="right", no_wrap=True)
    trials = _in_order(record)
    shown = trials if height is None else trials[: max(height - _AROUND, _FEWEST_ROWS)]
    for trial in shown:
        table.add_row(*_cells(record, trial))
    if len(shown) < len(trials):
        table.add_row(f"and {len(trials) - len(shown)} more")
    return table


def progress(record: SweepRecord) -> str:
    """Such as `5 of 16 trials ended, 2 training, at most 1:23:00 left`."""
    ended = sum(trial.state in ENDED for trial in record.searched)
    told = [f"{ended} of {record.planned} trials ended"]
    if record.planned_repeats:
        over = sum(trial.state in ENDED for trial in record.trials if trial.repeats is not None)
        told.append(f"{over} of {record.planned_repeats} repeats with other seeds")
    training = record.counted("running")
    told += [f"{training} training"] if training else []
    left = seconds_left(record)
    told += [f"at most {duration(left)} left"] if left else []
    return ", ".join(told)


def seconds_left(record: SweepRecord) -> float | None:
    """Until the last trial has ended, if none is stopped early; None while nobody knows.

    The steps of trials that have not begun are reckoned at the mean pace of those that have, as
    many at a time as train now.
    """
    training = [trial for trial in record.trials if trial.state == "running"]
    known = [trial.seconds_left for trial in training if trial.seconds_left is not None]
    paces = [trial.process_seconds / trial.step for trial in record.trials
             if trial.process_seconds and trial.step]  # fmt: skip
    if not known or not paces:
        return None
    to_begin = record.planned + record.planned_repeats - len(record.trials)
    to_begin += record.counted("waiting", "unfinished")
    steps = max(trial.steps for trial in record.trials)
    later = to_begin * steps * sum(paces) / len(paces)
    return max(*known, (sum(known) + later) / len(training))


def line_of(trial: Trial) -> dict[str, Any]:
    """How a trial stands, for a line of a log: the last measurement, and when it will end."""
    last = trial.last
    return {
        "trial": name_of(trial),
        "state": trial.state,
        "step": f"{trial.step}/{trial.steps}",
        **({"images_seen": last.images_seen, **last.values} if last is not None else {}),
        "eta_seconds": trial.seconds_left,
    }


def standing(record: SweepRecord) -> dict[str, Any]:
    """How a sweep stands, for a line of a log."""
    best = record.best
    left = seconds_left(record)
    return {
        "sweep": record.name,
        "ended": f"{sum(trial.state in ENDED for trial in record.searched)}/{record.planned}",
        "best": None if best is None else name_of(best),
        **(best.last.values if best is not None and best.last is not None else {}),
        "eta_seconds": left,
    }


def name_of(trial: Trial) -> str:
    """Its number; of a repeat with the seed, as its folder is called."""
    return str(trial.number) if trial.repeats is None else f"{trial.number}-seed-{trial.seed}"


def _in_order(record: SweepRecord) -> list[Trial]:
    """Those that train first, then the ranked ones, then what went wrong, then who waits."""
    again = [trial for trial in record.trials if trial.repeats is not None]
    every: Sequence[Trial] = (*record.ranked, *again)
    order: dict[State, int] = {"running": 0, "waiting": 3}
    return sorted(every, key=lambda trial: order.get(trial.state, 1 if trial.rank else 2))


def _cells(record: SweepRecord, trial: Trial) -> list[Text | str]:
    last = trial.last
    value = trial.objective
    if value is None and last is not None and len(record.measures) == 1:
        value = last.values.get(record.measures[0].name)
    settings = [setting_text(trial.values.get(setting.name, "")) for setting in record.settings]
    name = name_of(trial) + (" (defaults)" if trial is record.default else "")
    bold = "bold" if trial is record.best else ""
    return [
        Text(name, bold),
        Text(trial.state, _STYLES.get(trial.state, "")),
        *(Text(readable(text), bold) for text in settings),
        Text("" if value is None else digits(value), bold),
        "" if last is None else f"{last.images_seen:,}",
        "" if trial.seconds_left is None else duration(trial.seconds_left),
    ]


def _caption(record: SweepRecord) -> str:
    best = record.best
    measures = "; ".join(f"{one.words}: {one.how}, n = {one.n} tiles" for one in record.measures)
    if best is None:
        return f"{measures}. No trial has ended yet."
    return f"{measures}. Best so far: trial {name_of(best)}."


def _narrow(name: str) -> str:
    """In several lines, at dots, underscores and spaces."""
    return re.sub(r"([._ ])", r"\1\n", name).replace(" \n", "\n")
