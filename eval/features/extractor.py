"""Extractors: networks that turn tiles into the features whose distributions are compared."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from hpc.determinism import deterministic_on_gpu


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


@contextmanager
def reproducible_inference() -> Iterator[None]:
    """No gradients; on a GPU deterministic algorithms in full float32 instead of TensorFloat-32."""
    with torch.inference_mode(), deterministic_on_gpu():
        yield


def as_network_input(
    tiles_NHWC: NDArray[np.uint8], device: torch.device, dtype: torch.dtype
) -> torch.Tensor:
    """Tiles as (N, 3, H, W) in [0, 1]."""
    tiles = torch.from_numpy(np.ascontiguousarray(tiles_NHWC)).to(device)
    return tiles.permute(0, 3, 1, 2).to(dtype) / 255


Filter = Literal["bilinear", "bicubic"]


def resized_antialiased(tiles_NCHW: torch.Tensor, size: int, kind: Filter) -> torch.Tensor:
    """Tiles in [0, 1] brought to size × size as Pillow does, but without rounding to 8 bits."""
    if tiles_NCHW.shape[2:] == (size, size):
        return tiles_NCHW
    resized = functional.interpolate(
        tiles_NCHW, size=(size, size), mode=kind, align_corners=False, antialias=True
    )
    return resized.clamp(0, 1)
