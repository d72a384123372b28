"""Extractors: networks that turn tiles into the features whose distributions are compared."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from hpc.errors import InputError
from hpc.files import sha256_of_bytes
from hpc.randomness import key_of, normal
from hpc.rounding import exact_on_gpu

ExtractorName = Literal["inception", "inception-clean", "random"]

# The random network. Each scale sees the tile reduced by its factor through two convolutions.
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


@dataclass(frozen=True, kw_only=True)
class Identity:
    """What made features: distances exist only between features of the same identity.

    `caveat` is what a reader of such a distance must know, if anything.
    """

    name: str
    weights_sha256: str
    preprocessing: str
    caveat: str | None = field(default=None, compare=False)


class Extractor(Protocol):
    """A network with fixed weights, and all that a report must say about it."""

    @property
    def identity(self) -> Identity:
        """Name, hash of the weights, and what happens to a tile before the network."""

    @property
    def dimension(self) -> int:
        """Number of features of a tile."""

    @property
    def device(self) -> torch.device:
        """Where the network computes."""

    def __call__(self, tiles_NHWC: NDArray[np.uint8]) -> NDArray[np.floating]:
        """Features of shape (N, dimension) of RGB tiles; several threads may ask at once."""


def open_extractor(
    name: str,
    *,
    inception_weights: Path | None = None,
    seed: int = 0,
    run_code: bool = False,
    device: torch.device | str = "cpu",
) -> Extractor:
    """The extractor called `name`, or that of the file or folder `name`.

    A file holds the weights of a named network, or one in TorchScript, whose code is run only if
    `run_code` allows it (see `eval.module_extractor`); a folder is a trained segmenter. `seed` is
    the random network's, the weights file Inception's. Raises InputError for an unknown name, for
    code that may not be run, and for weights that are missing or not what they claim.
    """
    if name in ("inception", "inception-clean"):
        # Here, because torchvision and pytorch-fid are needed by this extractor alone.
        from eval.inception import InceptionExtractor, find_weights

        weights = find_weights(inception_weights)
        return InceptionExtractor(weights, clean=name == "inception-clean", device=device)
    if name == "random":
        return RandomExtractor(seed=seed, device=device)
    path = Path(name)
    if path.is_dir():
        from eval.segmenter_extractor import SegmenterExtractor

        return SegmenterExtractor(path, device=device)
    if path.is_file():
        from eval.module_extractor import ModuleExtractor

        return ModuleExtractor(path, run_code=run_code, device=device)
    raise InputError(
        f"No extractor is called {name!r}, nor is there a file or folder of that name. Choose: "
        f"{', '.join(get_args(ExtractorName))}, a file of weights, a TorchScript file, or "
        "the folder of a segmenter."
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


@contextmanager
def reproducible_inference() -> Iterator[None]:
    """No gradients; on a GPU deterministic algorithms in full float32 instead of TensorFloat-32."""
    with torch.inference_mode(), exact_on_gpu():
        yield


def as_network_input(
    tiles_NHWC: NDArray[np.uint8], device: torch.device, dtype: torch.dtype
) -> torch.Tensor:
    """Tiles as (N, 3, H, W) in [0, 1]."""
    tiles = torch.from_numpy(np.ascontiguousarray(tiles_NHWC)).to(device)
    return tiles.permute(0, 3, 1, 2).to(dtype) / 255


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
