"""A small convolutional network with seeded random weights, for demos and tests."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from eval.features.extractor import Identity, as_network_input, reproducible_inference
from hpc.errors import InputError
from hpc.files import sha256_of_bytes
from hpc.randomness import key_of, normal

# Each scale sees the tile reduced by its factor through two convolutions.
_SCALES = (1, 2, 4)
_CHANNELS = 64
_KERNELS = (5, 3)
# Filters of three kinds take turns, by the dimensions (of OIHW) over which their mean is zero: flat
# areas leave texture filters silent, gray ones colour filters. Unconstrained filters alone would
# see little but the brightness of H&E tiles.
_TEXTURE, _COLOUR, _ANYTHING = (2, 3), (1,), ()
_FILTER_KINDS = (_TEXTURE, _COLOUR, _TEXTURE, _ANYTHING)
_SMALLEST_TILE = 16
_RANDOM_CAVEAT = (
    "The extractor is a random network: compare its distances only with each other (same seed and "
    "tile size), never with a published FID."
)


class RandomExtractor:
    """A small convolutional network with seeded random weights, for demos and tests.

    It sees texture and colour: its features are the spatial means of two layers of rectified random
    filters at three scales, the tile itself and reduced by 2 and by 4. Distances are comparable
    within one run only (same seed, same tile size), never with a published FID. It computes in
    float64, so that the batch size does not matter.
    """

    dimension = len(_SCALES) * len(_KERNELS) * _CHANNELS

    def __init__(self, *, seed: int, device: torch.device | str = "cpu") -> None:
        filters = [_random_filters(seed, scale) for scale in _SCALES]
        self.device = torch.device(device)
        self.identity = Identity(
            name="random",
            weights_sha256=sha256_of_bytes(
                b"".join(layer.numpy().tobytes() for layers in filters for layer in layers)
            ),
            preprocessing="RGB / 255 - 0.5, no resize",
            caveat=_RANDOM_CAVEAT,
        )
        self._filters = [[layer.to(self.device) for layer in layers] for layers in filters]

    def __call__(self, tiles_NHWC: NDArray[np.uint8]) -> NDArray[np.floating]:
        """Features (N, 384), float64. Raises InputError for tiles smaller than 16 pixels."""
        if min(tiles_NHWC.shape[1:3]) < _SMALLEST_TILE:
            raise InputError(
                f"Tiles of {tiles_NHWC.shape[2]}x{tiles_NHWC.shape[1]} pixels are too small for "
                f"the random extractor. Use tiles of at least {_SMALLEST_TILE} pixels a side."
            )
        with reproducible_inference():
            tiles_NCHW = as_network_input(tiles_NHWC, self.device, torch.float64) - 0.5
            means = [
                layer_NCHW.mean(dim=(2, 3))
                for scale, filters in zip(_SCALES, self._filters, strict=True)
                for layer_NCHW in _layers(functional.avg_pool2d(tiles_NCHW, scale), filters)
            ]
            return torch.cat(means, dim=1).cpu().numpy()


def _layers(tiles_NCHW: torch.Tensor, filters: list[torch.Tensor]) -> Iterator[torch.Tensor]:
    layer_NCHW = tiles_NCHW
    for filter_OIHW in filters:
        padding = filter_OIHW.shape[-1] // 2
        layer_NCHW = functional.conv2d(layer_NCHW, filter_OIHW, stride=2, padding=padding).relu()
        yield layer_NCHW


def _random_filters(seed: int, scale: int) -> list[torch.Tensor]:
    """The filters (O, I, H, W) of one scale, layer by layer, scaled to keep the variance."""
    filters: list[torch.Tensor] = []
    channels = 3
    for layer, kernel in enumerate(_KERNELS):
        shape = (_CHANNELS, channels, kernel, kernel)
        positions = torch.arange(_CHANNELS * channels * kernel**2)
        drawn = normal(key_of(seed, "random extractor", scale, layer), positions).reshape(shape)
        for kind, dimensions in enumerate(_FILTER_KINDS):
            of_kind = drawn[kind :: len(_FILTER_KINDS)]
            if dimensions:
                of_kind -= of_kind.mean(dim=dimensions, keepdim=True)
        # Few digits, so that the last bits of log and cos, which differ between machines, don't
        # change the network and its hash.
        rounded = (drawn * (2 / (channels * kernel**2)) ** 0.5).to(torch.float16)
        filters.append(rounded.to(torch.float64))
        channels = _CHANNELS
    return filters
