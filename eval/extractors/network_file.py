"""An extractor from a user's network file, its preprocessing stated in a TOML beside it.

    # uni.toml, beside uni.pth
    name = "uni"
    size = 224
    filter = "bicubic"
    mean = [0.485, 0.456, 0.406]
    std = [0.229, 0.224, 0.225]
    architecture = "resnet50"

The network gets float32 (N, 3, size, size) and gives (N, D). With an architecture the file holds
its weights alone (see `torchvision_network.py`). Without one it is TorchScript: a program, which is
run only where the user says so (see `hpc.torchscript`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from eval.features.extractor import (
    Filter,
    Identity,
    as_network_input,
    reproducible_inference,
    resized_antialiased,
)
from histosyn.config.file import from_dict, load_toml
from hpc.errors import ConfigError, InputError
from hpc.file_fingerprint import FileFingerprint
from hpc.torchscript import load_torchscript

RUN_CODE_OPTION = "--run-extractor-code"
_EXAMPLE = 'name = "mine", size = 224, filter = "bicubic", mean = [0.5, 0.5, 0.5], std = [...]'


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """What happens to a tile in [0, 1] before the network: antialiased resize, then (x - mean)/std.

    `size` is in pixels a side; the aspect is not kept. `architecture` is that of the network.
    """

    name: str
    size: int
    filter: Filter
    mean: tuple[float, ...]
    std: tuple[float, ...]
    architecture: str | None = None

    def __post_init__(self) -> None:
        if self.size < 1 or not self.name:
            raise ConfigError("size must be at least 1, and name not empty. Correct it.")
        if len(self.mean) != 3 or len(self.std) != 3 or min(self.std) <= 0:
            raise ConfigError(
                "mean and std must hold a number for R, G and B, every std above 0. Correct it."
            )

    def __str__(self) -> str:
        return (
            f"RGB / 255, antialiased {self.filter} resize to {self.size}x{self.size}, minus "
            f"{list(self.mean)}, divided by {list(self.std)}"
        )

    def __call__(self, tiles_NCHW: torch.Tensor) -> torch.Tensor:
        """Tiles (N, 3, size, size) as the network expects them."""
        resized = resized_antialiased(tiles_NCHW, self.size, self.filter)
        mean, std = (resized.new_tensor(values)[:, None, None] for values in (self.mean, self.std))
        return (resized - mean) / std


class FileExtractor:
    """The network in a file; NAME.toml beside it states its preprocessing, and its architecture.

    Raises InputError if the file is none of that architecture or, without one, no TorchScript or
    TorchScript without `run_code`, and if the network gives no features (N, D); ConfigError if the
    preprocessing is not stated, or wrongly.
    """

    def __init__(
        self, path: Path, *, run_code: bool = False, device: torch.device | str = "cpu"
    ) -> None:
        self.device = torch.device(device)
        fingerprint = FileFingerprint(path)
        self._preprocessing = _preprocessing_of(path)
        self._module = self._opened(path, run_code)
        self._path = path
        self.identity = Identity(
            name=self._preprocessing.name,
            weights_sha256=fingerprint.sha256(),
            preprocessing=str(self._preprocessing),
        )
        size = self._preprocessing.size
        self.dimension = self(np.zeros((1, size, size, 3), np.uint8)).shape[1]

    def _opened(self, path: Path, run_code: bool) -> torch.nn.Module:
        if self._preprocessing.architecture is not None:
            # Here, because torchvision is needed by this kind alone.
            from eval.extractors.torchvision_network import torchvision_network

            return torchvision_network(self._preprocessing.architecture, path).to(self.device)
        return load_torchscript(path, self.device, run_code=run_code, option=RUN_CODE_OPTION)

    def __call__(self, tiles_NHWC: NDArray[np.uint8]) -> NDArray[np.floating]:
        """Features (N, D), float32."""
        with reproducible_inference():
            tiles = self._preprocessing(as_network_input(tiles_NHWC, self.device, torch.float32))
            try:
                features = self._module(tiles)
            # Any exception: what a network of others stumbles over is not known here.
            except Exception as error:
                raise InputError(
                    f"{self._path} cannot work on tiles (N, 3, {tiles.shape[2]}, {tiles.shape[3]}):"
                    f" {str(error).splitlines()[-1]}. Check the size in its TOML file."
                ) from error
        if not isinstance(features, torch.Tensor) or features.shape[0] != len(tiles_NHWC) or any(
            length != 1 for length in features.shape[2:]
        ):  # fmt: skip
            shape = getattr(features, "shape", type(features).__name__)
            raise InputError(
                f"{self._path} gives {shape} for {len(tiles_NHWC)} tiles instead of features "
                "(N, D). Save a module that pools over the tile."
            )
        if features.is_complex():
            raise InputError(f"{self._path} gives complex features. Save a module of real ones.")
        return features.flatten(1).float().cpu().numpy()


def _preprocessing_of(path: Path) -> Preprocessing:
    stated = path.with_suffix(".toml")
    if not stated.is_file():
        raise ConfigError(
            f"{path} does not say what its network expects of a tile. Write {stated} with, for "
            f"instance: {_EXAMPLE}"
        )
    return from_dict(Preprocessing, load_toml(stated), str(stated))
