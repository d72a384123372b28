"""torch.compile for a network whose layers are normalized anew in each pass.

The weight of a layer with spectral normalization is made outside of what is compiled, so that each
layer becomes a function of its own: convolution, normalization and activation. That many functions
of one piece of code are more than torch.compile keeps by default.
"""

from __future__ import annotations

import torch._dynamo.config
import torch._functorch.config
from torch import nn

_FUNCTIONS_OF_ONE_CODE = 64


def compile_layers(network: nn.Module) -> None:
    """Compile the network in place, at its first forward passes.

    Two losses may go back through one forward pass, one after the other, as in
    `histosyn.training.updates.simultaneous`.
    """
    torch._dynamo.config.recompile_limit = max(
        torch._dynamo.config.recompile_limit, _FUNCTIONS_OF_ONE_CODE
    )
    # Else the first way back overwrites what the second one needs.
    torch._functorch.config.donated_buffer = False
    # Else what processes share is cut into buckets, through which only one loss can go back.
    torch._dynamo.config.optimize_ddp = False
    network.compile()
