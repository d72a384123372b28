"""Normalization whose scale and shift are painted by the label map.

SPADE: Park, Liu, Wang & Zhu, "Semantic image synthesis with spatially-adaptive normalization", CVPR
2019, eq. 1: x̂·(1 + γ(labels)) + β(labels), x̂ the batch-normalized features.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from histosyn.config import GeneratorConfig
from histosyn.networks.class_table import ClassTable
from histosyn.networks.patterns import IGNORED, Level, one_hot, shrink
from histosyn.networks.sync_batchnorm import SyncBatchNorm2d

__all__ = ["IGNORED", "Spade", "modulation", "one_hot", "shrink"]


def modulation(config: GeneratorConfig, channels: int, classes: int) -> nn.Module:
    """The configured kind of modulation for features of so many channels."""
    if config.modulation == "class_table":
        return ClassTable(channels, classes)
    return Spade(channels, classes, config.label_channels)


class Spade(nn.Module):
    """Normalize features and modulate them by a label map of the same height and width."""

    def __init__(self, channels: int, classes: int, hidden: int) -> None:
        super().__init__()
        self.normalize = SyncBatchNorm2d(channels, affine=False)
        self.embed = nn.Conv2d(classes, hidden, 3, padding=1)
        self.gamma_beta = nn.Conv2d(hidden, 2 * channels, 3, padding=1)

    def forward(self, x_NCHW: torch.Tensor, level: Level) -> torch.Tensor:
        """Features (N, C, H, W) modulated by label maps (N, H, W)."""
        segments = one_hot(level.labels_NHW, level.classes, x_NCHW.dtype)
        hidden = functional.relu(self.embed(segments))
        gamma, beta = self.gamma_beta(hidden).chunk(2, dim=1)
        return self.normalize(x_NCHW) * (1 + gamma) + beta
