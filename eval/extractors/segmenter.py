"""The segmenter of `eval segmenter train` as an extractor: features that know the tissue."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from eval.features.extractor import Identity, as_network_input
from eval.segmenter.model import load_segmenter

_CAVEAT = (
    "The extractor is a segmenter trained on some data set: compare its distances only with each "
    "other (same segmenter), never with a published FID. Measure tiles that it was not trained on."
)


class SegmenterExtractor:
    """Channels of a segmenter's bottleneck and decoder, averaged over the tile, float32.

    `path` is its model folder, or the run folder that holds one. Raises InputError if it is
    neither, DamagedFileError if a file of it is damaged.
    """

    def __init__(self, path: Path, *, device: torch.device | str = "cpu") -> None:
        self._segmenter = load_segmenter(path, device)
        self.device = torch.device(device)
        self.identity = Identity(
            name="segmenter",
            weights_sha256=self._segmenter.sha256,
            preprocessing="RGB scaled to [-1, 1], no resize",
            caveat=_CAVEAT,
        )
        height, width = self._segmenter.facts.tile_size
        self.dimension = self(np.zeros((1, height, width, 3), np.uint8)).shape[1]

    def __call__(self, tiles_NHWC: NDArray[np.uint8]) -> NDArray[np.floating]:
        """Features (N, D), float32."""
        tiles_NCHW = as_network_input(tiles_NHWC, self.device, torch.float32) * 2 - 1
        return self._segmenter.features(tiles_NCHW).cpu().numpy()
