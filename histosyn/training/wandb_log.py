"""A run's log for Weights & Biases, in `wandb/`, offline: scalars, sample grids, settings.

Nothing leaves the machine; `wandb sync` uploads the folder from wherever there is a network.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import wandb

from histosyn.training.log_entries import Entry

FOLDER = "wandb"
PROJECT = "histosyn"
# W&B is told what histosyn tells, and nothing of the machine, its packages or the code.
_PLAIN: dict[str, Any] = {
    "silent": True,
    "console": "off",
    "disable_git": True,
    "disable_code": True,
    "disable_job_creation": True,
    "x_disable_meta": True,
    "x_disable_stats": True,
    "x_disable_machine_info": True,
}


class WandbLog:
    """One `offline-run-*` folder, which holds the run from its first step.

    W&B takes a step once and in order. So each start writes everything anew, and the folder of the
    start before goes, unless it was uploaded: then it is a W&B run of its own.
    """

    name = "wandb"
    first_step = 0

    def __init__(self, run_folder: Path, settings: dict[str, Any]) -> None:
        _remove_earlier(run_folder / FOLDER)
        self.run = wandb.init(
            project=PROJECT,
            name=run_folder.name,
            dir=str(run_folder),
            mode="offline",
            config=settings,
            settings=wandb.Settings(**_PLAIN),
        )

    def add(self, entry: Entry) -> None:
        """A row for the step: all numbers, and the sample grid."""
        row: dict[str, Any] = dict(entry.numbers)
        if entry.picture is not None:
            row["samples"] = wandb.Image(str(entry.picture))
        self.run.log(row, step=entry.step)

    def flush(self) -> None:
        """W&B's own process writes as it gets them; what it loses is made up for."""

    def close(self) -> None:
        """Wait until that process has written all."""
        self.run.finish()


def _remove_earlier(folder: Path) -> None:
    for earlier in folder.glob("offline-run-*"):
        if not any(earlier.glob("*.synced")):
            shutil.rmtree(earlier)
