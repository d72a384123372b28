"""Networks of `histosyn.pretrained` as extractors: ImageNet features that everybody has offline."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from eval.features.extractor import Identity, as_network_input, reproducible_inference
from histosyn.pretrained.efficientnet_lite import FEATURE_STRIDES, network_input
from histosyn.pretrained.packages import Pretrained, load_pretrained
from hpc.errors import InputError

# Narrower tiles have not a single position at the deepest layer.
SMALLEST_TILE = FEATURE_STRIDES[-1]
_CAVEAT = (
    "The extractor is {0}: compare its distances only with each other (same tile size), never with "
    "a published FID, which is of another network."
)


class PretrainedExtractor:
    """Means and spreads of the channels of an EfficientNet-Lite at strides 2, 4, 8, 16, float32.

    Each channel is in units of its spread over natural photographs, so that all depths count. The
    network is fully convolutional: tiles are not resized, as that would hide their finest grain.
    Raises InputError if the package with the weights is not installed.
    """

    def __init__(self, name: str, *, device: torch.device | str = "cpu") -> None:
        network, self.pretrained = load_pretrained(name)
        self.device = torch.device(device)
        self._network = network.to(self.device)
        self._moments = network.expected_moments()
        channels = [len(mean) for mean, _ in self._moments]
        self.dimension = 2 * sum(channels)
        self.feature_names = tuple(
            f"{what} of channel {channel} at stride {stride}"
            for stride, count in zip(FEATURE_STRIDES, channels, strict=True)
            for what in ("mean", "spread")
            for channel in range(count)
        )
        self.identity = _identity(self.pretrained)

    def __call__(self, tiles_NHWC: NDArray[np.uint8]) -> NDArray[np.floating]:
        """Features (N, D), float32. Raises InputError for tiles smaller than 16 pixels."""
        if min(tiles_NHWC.shape[1:3]) < SMALLEST_TILE:
            raise InputError(
                f"Tiles of {tiles_NHWC.shape[2]}x{tiles_NHWC.shape[1]} pixels are too small for "
                f"{self.identity.name}. Use tiles of at least {SMALLEST_TILE} pixels a side."
            )
        with reproducible_inference():
            tiles_NCHW = as_network_input(tiles_NHWC, self.device, torch.float32)
            found = [
                values
                for layer_NChw, (mean_C, spread_C) in zip(
                    self._network.features(network_input(tiles_NCHW)), self._moments, strict=True
                )
                for values in (
                    (layer_NChw.mean(dim=(2, 3)) - mean_C) / spread_C,
                    layer_NChw.std(dim=(2, 3), correction=0) / spread_C,
                )
            ]
            return torch.cat(found, dim=1).cpu().numpy()


def _identity(pretrained: Pretrained) -> Identity:
    return Identity(
        name=pretrained.name,
        weights_sha256=pretrained.sha256,
        preprocessing="(RGB - 127) / 128, no resize; channel means and spreads at strides "
        f"{', '.join(map(str, FEATURE_STRIDES))} in units of ImageNet's",
        caveat=_CAVEAT.format(pretrained.name),
    )
