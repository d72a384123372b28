"""A segmenter that reads colours: right about blobs, and about nothing else."""

from __future__ import annotations

import numpy as np
import torch
from tissue import SCHEMA

from eval.segmenter.config import NetworkConfig
from eval.segmenter.model import Segmenter, SegmenterFacts
from eval.statistics.result import Number, Result


class ByColour(torch.nn.Module):
    """Logits are minus the distance of a pixel from each class's colour."""

    def forward(self, tiles_NCHW: torch.Tensor) -> torch.Tensor:
        palette_KC = torch.from_numpy(SCHEMA.palette.astype(np.float32)) / 127.5 - 1
        return -(tiles_NCHW[:, None] - palette_KC[None, :, :, None, None]).abs().sum(dim=2)


def colour_segmenter(**training: object) -> Segmenter:
    """A segmenter of blobs that needs no training."""
    facts = SegmenterFacts(
        network=NetworkConfig(), schema=SCHEMA, tile_size=(64, 64), mpp=None, training=training
    )
    return Segmenter(
        network=ByColour(),  # type: ignore[arg-type]
        facts=facts,
        sha256="0" * 64,
        device=torch.device("cpu"),
    )


def by_name(
    result: Result, name: str, side: str = "synthetic", of_class: str | None = None
) -> Number:
    """The one number of faithfulness that this is."""
    (number,) = [
        number
        for number in result.numbers
        if number.name == name
        and number.details["side"] == side
        and number.details.get("class") == of_class
    ]
    return number
