"""Stain as an input of the generator: a stain code shifts the features of each resolution.

The shift is the same at every position, so any window of an image sees the same stain, and each
channel has its own. What is left for the noise is what a code does not say.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from histosyn.stain.names import NAMES
from histosyn.stain.seen import SeenStains


class StainInput(nn.Module):
    """For each block a linear layer from a standardized code to shifts of its input's channels.

    Codes are standardized by `mean_S` and `spread_S`, those of the training tiles; a number that is
    NaN, for a tile that has none, counts as their mean. At first the shifts are small.
    """

    mean_S: torch.Tensor
    spread_S: torch.Tensor

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.register_buffer("mean_S", torch.zeros(len(NAMES)))
        self.register_buffer("spread_S", torch.ones(len(NAMES)))
        self.shifts = nn.ModuleList(nn.Linear(len(NAMES), width) for width in widths)

    def standardize(self, stains: SeenStains) -> None:
        """Take codes in units of the mean and the spread of these."""
        self.mean_S.copy_(torch.from_numpy(stains.mean))
        self.spread_S.copy_(torch.from_numpy(stains.spread))

    def standardized(self, codes_NS: torch.Tensor) -> torch.Tensor:
        """(N, S) with mean 0 and spread 1 over the training tiles; NaN becomes 0."""
        codes = (codes_NS.to(self.mean_S) - self.mean_S) / self.spread_S
        return codes.nan_to_num(nan=0.0)

    def forward(self, number: int, codes_NS: torch.Tensor) -> torch.Tensor:
        """Shifts (N, C) of the input of block `number`."""
        shifts: torch.Tensor = self.shifts[number](self.standardized(codes_NS))
        return shifts
