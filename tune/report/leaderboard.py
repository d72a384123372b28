"""The trials, best first: `leaderboard.csv`, for spreadsheets and scripts."""

from __future__ import annotations

import csv
import io
from typing import Any

from tune.report.record import SweepRecord, Trial

FILE = "leaderboard.csv"


def leaderboard_csv(record: SweepRecord) -> str:
    """A row a trial, those without a rank last, then the repeats, which have none.

    No number travels alone: each measure has its tiles and extractor beside it, in every row.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(_head(record))
    writer.writerows(_rows(record))
    return buffer.getvalue()


def _head(record: SweepRecord) -> list[str]:
    measured = [f"{one.name}{what}" for one in record.measures for what in ("", "_by", "_tiles")]
    settings = [setting.name for setting in record.settings]
    about = ["seed", "origin", "repeats", "precision", "process_seconds"]
    return ["rank", "trial", "state", "objective", *measured, "images_seen", "step", "steps",
            *about, *settings, "reason"]  # fmt: skip


def _rows(record: SweepRecord) -> list[list[Any]]:
    again = [trial for trial in record.trials if trial.repeats is not None]
    return [_row(record, trial) for trial in (*record.ranked, *again)]


def _row(record: SweepRecord, trial: Trial) -> list[Any]:
    last = trial.last
    measured = [cell for one in record.measures for cell in (
        None if last is None else last.values.get(one.name), one.how, one.n)]  # fmt: skip
    cells = [trial.rank, trial.number, trial.state, trial.objective, *measured,
             None if last is None else last.images_seen, trial.step, trial.steps, trial.seed,
             trial.origin, trial.repeats, trial.precision, trial.process_seconds,
             *(trial.values.get(setting.name) for setting in record.settings),
             trial.reason]  # fmt: skip
    return ["" if cell is None else cell for cell in cells]
