"""A segmenter as the reader by which `histosyn synth` selects tiles."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hpc.errors import InputError

if TYPE_CHECKING:
    import torch

    from histosyn.labels.schema import LabelSchema
    from histosyn.synthesis.selection import Selection


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What `--keep-if-read`, `--least-dice` and `--most-tries` say."""

    segmenter: Path
    least_dice: float
    most_tries: int

    def selection(self, schema: LabelSchema, device: torch.device) -> Selection:
        """The segmenter, loaded; InputError if its classes are not those of the model."""
        from eval.segmenter.model import load_segmenter
        from eval.segmenter.pixel_scores import confusion_of, dice
        from histosyn.synthesis.selection import Selection

        reader = load_segmenter(self.segmenter, device)
        if reader.facts.schema != schema:
            raise InputError(
                f"{self.segmenter} reads the classes of {reader.facts.schema.name}, and the model "
                f"makes tissue of {schema.name}. Give a segmenter of these classes."
            )

        def score(tile_HWC: np.ndarray, labels_HW: np.ndarray) -> float:
            """The mean Dice of the classes that are in the label map; 1 if none is."""
            confusion_KK = confusion_of(labels_HW, reader.predict(tile_HWC[None])[0], len(schema))
            asked_K = confusion_KK.sum(axis=1) > 0
            return float(dice(confusion_KK)[asked_K].mean()) if asked_K.any() else 1.0

        return Selection(
            score=score,
            segmenter_sha256=reader.sha256,
            least_dice=self.least_dice,
            most_tries=self.most_tries,
        )
