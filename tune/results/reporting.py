"""What a sweep leaves for people, from its folder: leaderboard, page, and the same as data."""

from __future__ import annotations

from pathlib import Path

from hpc.files import write_text
from hpc.log import logger
from tune.plan.config import Sweep
from tune.report.findings import Findings, findings_of
from tune.report.hparams import FOLDER as TENSORBOARD
from tune.report.hparams import write_hparams
from tune.report.leaderboard import FILE as LEADERBOARD
from tune.report.leaderboard import leaderboard_csv
from tune.report.page import page_of
from tune.results.sweep_record import record_of

PAGE, DATA = "report.html", "report.json"


def write_report(
    sweep: Sweep, *, page: Path | None = None, data: Path | None = None, title: str | None = None
) -> Findings:
    """Write `leaderboard.csv`, and the page and its data, by default beside it."""
    folder = sweep.sweep.folder
    found = findings_of(record_of(sweep, pictures=True), seed=sweep.sweep.seed)
    write_text(folder / LEADERBOARD, leaderboard_csv(found.record))
    write_text(page or folder / PAGE, page_of(found, title))
    found.as_result().save(data or folder / DATA)
    if sweep.train.run.tensorboard:
        _write_hparams(found, folder / TENSORBOARD)
    return found


def _write_hparams(found: Findings, folder: Path) -> None:
    try:
        write_hparams(found.record, folder)
    except ImportError as error:
        # The page may be made elsewhere than the sweep.
        logger.warning("nothing for TensorBoard, which is not installed here (%s)", error)
