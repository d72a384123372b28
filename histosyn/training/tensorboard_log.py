"""A run's log for TensorBoard, in `tensorboard/`: scalars, sample grids, settings as HParams."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import hparams

from histosyn.images.file import opened_image
from histosyn.training.log_entries import Entry
from hpc.files import write_text

FOLDER = "tensorboard"
_NOTED = "up-to-step"
_FLUSH_SECONDS = 30
# What the table of settings shows beside them, where a run has it.
_RESULTS = (
    "evaluation/distance",
    "evaluation/faithfulness",
    "evaluation/c2st",
    "spectra/weave_8",
)


class TensorBoardLog:
    """Event files. Each start of the run writes one more, which takes back what came too far.

    `up-to-step` beside them says how far they are complete. TensorBoard forgets of earlier files
    what lies beyond, which is told by the `purge_step` of the file that goes on from there.
    """

    name = "tensorboard"

    def __init__(self, run_folder: Path, step: int, settings: dict[str, Any]) -> None:
        self.folder = run_folder / FOLDER
        self.first_step = min(step, self._complete())
        self._last = self.first_step
        self.writer = SummaryWriter(
            str(self.folder), purge_step=self.first_step, flush_secs=_FLUSH_SECONDS
        )
        self._write_settings(settings)

    def add(self, entry: Entry) -> None:
        """A scalar for each number; the sample grid as an image."""
        for name, value in entry.numbers.items():
            self.writer.add_scalar(name, value, entry.step)
        if entry.picture is not None:
            with opened_image(entry.picture, str(entry.picture)) as image:
                pixels = np.asarray(image.convert("RGB"))
            self.writer.add_image("samples", pixels, entry.step, dataformats="HWC")
        self._last = entry.step

    def flush(self) -> None:
        """Write the events, then note how far they are."""
        self.writer.flush()
        write_text(self.folder / _NOTED, f"{self._last}\n")

    def close(self) -> None:
        """Flush, and end the writer's thread."""
        self.flush()
        self.writer.close()

    def _complete(self) -> int:
        """The last step of which all is there; its own may lack what was measured after it."""
        try:
            return int((self.folder / _NOTED).read_text("utf-8"))
        except (OSError, ValueError):
            return 0

    def _write_settings(self, settings: dict[str, Any]) -> None:
        plain = {name: value for name, value in settings.items()
                 if isinstance(value, bool | int | float | str)}  # fmt: skip
        writer: Any = self.writer.file_writer
        for summary in hparams(plain, dict.fromkeys(_RESULTS, 0.0)):
            writer.add_summary(summary)
