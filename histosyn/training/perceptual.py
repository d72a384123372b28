"""A loss by the features of a network that the user brings, such as a VGG or a tissue encoder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from histosyn.networks.frozen_features import StandardFeatures
from histosyn.pretrained.packages import load_pretrained
from histosyn.training.losses import Compute, DiscriminatorOutputs
from hpc.errors import InputError
from hpc.files import require_file
from hpc.torchscript import load_torchscript

_TRIAL_PIXELS = 64


def perceptual(path: Path, device: torch.device, *, run_code: bool = False) -> Compute:
    """Mean over the network's outputs of E|features(real) − features(synthetic)|.

    Johnson, Alahi & Fei-Fei, "Perceptual losses for real-time style transfer", ECCV 2016, with
    absolute differences. Raises InputError if the file is missing, no TorchScript, its code may not
    be run, or what its network gives for tiles is not features.
    """
    network = _load(path, device, run_code)
    trial = torch.zeros(1, 3, _TRIAL_PIXELS, _TRIAL_PIXELS, device=device)
    try:
        with torch.no_grad():
            output = network(trial)
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1]
        raise InputError(
            f"{path}: the network does not take tiles (1, 3, {_TRIAL_PIXELS}, {_TRIAL_PIXELS}): "
            f"{reason} {_REMEDY}"
        ) from error
    _require_features(output, path)
    return _compared(network, device)


def pretrained_perceptual(name: str, device: torch.device) -> Compute:
    """The same for a network from a package: its layers, each channel in spreads of its own.

    Raises InputError if its package is not installed.
    """
    network, _ = load_pretrained(name)
    return _compared(StandardFeatures(network).to(device), device)


def _compared(network: nn.Module, device: torch.device) -> Compute:
    def compute(outputs: DiscriminatorOutputs) -> torch.Tensor:
        # In the network's own precision: it was not trained in ours.
        with torch.autocast(device.type, enabled=False):
            with torch.no_grad():
                real = _listed(network(outputs.tiles_NCHW.float()))
            synthetic = _listed(network(outputs.synthetic_NCHW.float()))
            pairs = zip(real, synthetic, strict=True)
            return torch.stack([functional.l1_loss(ours, aim) for aim, ours in pairs]).mean()

    return compute


_REMEDY = (
    "loss.perceptual_network must turn tiles (N, 3, H, W) in [-1, 1] into a tensor of features "
    "(N, ...) or a list of such."
)


def _load(path: Path, device: torch.device, run_code: bool) -> nn.Module:
    require_file(path, "loss.perceptual_network")
    option = "--loss.perceptual-runs-code"
    network = load_torchscript(path, device, run_code=run_code, option=option).float()
    for weight in network.parameters():
        weight.requires_grad_(False)
    return network


def _require_features(output: Any, path: Path) -> None:
    listed = _listed(output)
    if not listed or not all(isinstance(layer, torch.Tensor) for layer in listed):
        raise InputError(f"{path} gives {type(output).__name__} for tiles. {_REMEDY}")
    for number, layer in enumerate(listed):
        if not layer.is_floating_point() or layer.dim() < 2 or len(layer) != 1:
            raise InputError(
                f"{path}: output {number} is {layer.dtype} of shape {tuple(layer.shape)} for one "
                f"tile. {_REMEDY}"
            )
        if not layer.isfinite().all():
            raise InputError(f"{path}: output {number} is not finite for a gray tile. {_REMEDY}")


def _listed(output: Any) -> list[Any]:
    return list(output) if isinstance(output, list | tuple) else [output]
