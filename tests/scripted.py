"""Feature networks in TorchScript files, as users bring them."""

import warnings
from pathlib import Path

import torch
from torch import nn


def saved(network: nn.Module, path: Path) -> Path:
    """Write the network to a file, and tell which."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that TorchScript is on its way out
        torch.jit.script(network).save(str(path))
    return path
