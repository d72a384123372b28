"""The exponential moving average of a network: what is shipped and evaluated."""

from __future__ import annotations

import copy
from typing import Generic, TypeVar

import torch
from torch import nn

Network = TypeVar("Network", bound=nn.Module)


class Ema(Generic[Network]):
    """A copy of `network` whose parameters trail behind: p ← decay·p + (1 − decay)·new.

    Early on the decay is (1 + steps) / (10 + steps), so that the random start is soon forgotten.
    Buffers (batch statistics, spectral norm vectors) are copied as they are; before the average is
    used, its statistics are counted anew (`histosyn.training.recalibration`).
    """

    def __init__(self, network: Network, decay: float) -> None:
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        self.decay = decay

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Move towards `network` after optimizer step number `step` (0, 1, ...)."""
        decay = min(self.decay, (1 + step) / (10 + step))
        mine = dict(self.network.named_parameters())
        theirs = dict(network.named_parameters())
        torch._foreach_lerp_(list(mine.values()), [theirs[name] for name in mine], 1 - decay)
        buffers = dict(network.named_buffers())
        own = dict(self.network.named_buffers())
        # Only those of one type can be copied together.
        for dtype in {buffer.dtype for buffer in own.values()}:
            names = [name for name, buffer in own.items() if buffer.dtype == dtype]
            torch._foreach_copy_([own[name] for name in names], [buffers[name] for name in names])
