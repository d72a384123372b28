"""A sweep in TensorBoard's HParams: what is searched, and what was measured, of all trials."""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from typing import Any

from tune.report.board import name_of
from tune.report.record import SweepRecord, Trial

FOLDER = "tensorboard"
_RANK = "sweep/rank"


def write_hparams(record: SweepRecord, folder: Path) -> None:
    """Write the trials anew, each a session of its own; curves are over images seen.

    The trials' own logs have all settings; here stand those that differ. Raises ImportError without
    TensorBoard.
    """
    from torch.utils.tensorboard import SummaryWriter

    shutil.rmtree(folder, ignore_errors=True)
    for trial in record.trials:
        if trial.measurements:
            writer = SummaryWriter(str(folder / name_of(trial)))
            try:
                _write(record, trial, writer)
            finally:
                writer.close()


def _write(record: SweepRecord, trial: Trial, writer: Any) -> None:
    from torch.utils.tensorboard.summary import hparams

    values = {name: _plain(value) for name, value in trial.values.items()}
    settings = {**values, "trial": trial.number, "seed": trial.seed, "state": trial.state}
    names = [f"evaluation/{one.name}" for one in record.measures]
    domains: dict[str, Any] = {one.name: [_plain(choice) for choice in one.choices]
                               for one in record.settings if one.choices}  # fmt: skip
    for summary in hparams(settings, dict.fromkeys([*names, _RANK], 0.0), _of_one_type(domains)):
        writer.file_writer.add_summary(summary)
    for each in trial.measurements:
        for name, value in each.values.items():
            if math.isfinite(value):
                writer.add_scalar(f"evaluation/{name}", value, each.images_seen)
    if trial.rank is not None and trial.last is not None:
        writer.add_scalar(_RANK, trial.rank, trial.last.images_seen)


def _plain(value: Any) -> Any:
    return value if isinstance(value, bool | int | float | str) else str(value)


def _of_one_type(domains: dict[str, Any]) -> dict[str, Any]:
    """TensorBoard's domains hold values of one type."""
    return {name: values for name, values in domains.items() if len(set(map(type, values))) == 1}
