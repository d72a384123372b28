"""A generator made ready for synthesis: nothing in it is meant to learn any more.

Spectral normalization is folded before (`model_folder`), batch statistics are folded into each
table of γ and β (`folded`), and features stay in channels_last from the entry to the exit.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch import nn

from histosyn.networks.convolutions import Convolution
from histosyn.networks.generator import Generator
from histosyn.networks.modulation import Spade

Precision = Literal["float32", "bfloat16"]


def made_ready(network: Generator, precision: Precision = "float32") -> Generator:
    """The network itself, in eval mode and without gradients, with convolutions in `precision`.

    Batch statistics stay in float32, and so does what a stain shifts, and the exit: in bfloat16 a
    tile would have 128 shades where it is brightest.
    """
    network.eval().requires_grad_(False)
    if isinstance(network.entry, nn.Conv2d):
        # In this order sums do not depend on how large a window is (`histosyn.networks.windows`).
        weight = network.entry.weight
        weight.data = weight.data.contiguous(memory_format=torch.channels_last)
    for module in network.modules():
        if isinstance(module, Convolution):
            module.one_kernel = True
        if isinstance(module, Spade):
            # Read tap by tap: so they lie in memory.
            weight = module.gamma_beta.weight
            weight.data = weight.data.contiguous(memory_format=torch.channels_last)
    if precision == "bfloat16":
        kept = {network.exit, *(network.stain.modules() if network.stain is not None else ())}
        for module in network.modules():
            if isinstance(module, nn.Conv2d | nn.Linear) and module not in kept:
                module.to(torch.bfloat16)
    return network


def to_uint8(tiles_NCHW: torch.Tensor) -> np.ndarray:
    """Tiles in [-1, 1] as uint8 (N, H, W, 3)."""
    scaled = (tiles_NCHW.float() + 1).mul(127.5).round().clamp(0, 255).to(torch.uint8)
    return scaled.permute(0, 2, 3, 1).cpu().numpy()
