"""Modulation by a scale and a shift per class: a label map painted with two tables.

After Tan et al., "Efficient semantic image synthesis via class-adaptive normalization", IEEE TPAMI
2021: what SPADE's convolutions learn is mostly the class itself, so look γ and β up.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from histosyn.networks.patterns import Level, one_hot
from histosyn.networks.sync_batchnorm import SyncBatchNorm2d


class ClassTable(nn.Module):
    """x̂·(1 + γ[label]) + β[label]; γ = β = 0 where no class is, and in the beginning."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.normalize = SyncBatchNorm2d(channels, affine=False)
        self.gamma_beta = nn.Parameter(torch.zeros(classes, 2 * channels))

    def forward(self, x_NCHW: torch.Tensor, level: Level) -> torch.Tensor:
        """Features (N, C, H, W) modulated by label maps (N, H, W)."""
        segments = one_hot(level.labels_NHW, level.classes, x_NCHW.dtype)
        painted = functional.conv2d(segments, self.gamma_beta.T[:, :, None, None])
        gamma, beta = painted.chunk(2, dim=1)
        return self.normalize(x_NCHW) * (1 + gamma) + beta
