"""SPADE: normalization whose scale and shift are painted by the label map.

Park, Liu, Wang & Zhu, "Semantic image synthesis with spatially-adaptive normalization", CVPR 2019,
eq. 1: x̂·(1 + γ(labels)) + β(labels), x̂ the batch-normalized features.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from histosyn.networks.sync_batchnorm import SyncBatchNorm2d

IGNORED = 255


def one_hot(labels_NHW: torch.Tensor, classes: int, dtype: torch.dtype) -> torch.Tensor:
    """(N, K, H, W) indicator of the classes, made on the labels' device; no class is all zeros."""
    class_K = torch.arange(classes, device=labels_NHW.device, dtype=labels_NHW.dtype)
    return (labels_NHW[:, None] == class_K[:, None, None]).to(dtype)


def shrink(labels_NHW: torch.Tensor, factor: int) -> torch.Tensor:
    """Nearest-neighbour reduction: the upper left pixel of each `factor` x `factor` cell.

    A function of absolute pixel positions, so a window on the grid of cells gives the same cells.
    """
    return labels_NHW[:, ::factor, ::factor]


class Spade(nn.Module):
    """Normalize features and modulate them by a label map of the same height and width."""

    def __init__(self, channels: int, classes: int, hidden: int) -> None:
        super().__init__()
        self.classes = classes
        self.normalize = SyncBatchNorm2d(channels, affine=False)
        self.embed = nn.Conv2d(classes, hidden, 3, padding=1)
        self.gamma_beta = nn.Conv2d(hidden, 2 * channels, 3, padding=1)

    def forward(self, x_NCHW: torch.Tensor, labels_NHW: torch.Tensor) -> torch.Tensor:
        """Features (N, C, H, W) modulated by labels (N, H, W)."""
        segments = one_hot(labels_NHW, self.classes, x_NCHW.dtype)
        hidden = functional.relu(self.embed(segments))
        gamma, beta = self.gamma_beta(hidden).chunk(2, dim=1)
        return self.normalize(x_NCHW) * (1 + gamma) + beta
