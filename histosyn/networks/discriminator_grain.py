"""A discriminator of grain: what differs from one pixel to the next.

Convolutions of stride 2 look at a tile through a few filters, instance normalization hides how
strong each one answers, and so the finest detail is judged by nobody. This one begins at full
resolution and sees a few pixels around each, of the tile and, enlarged, of what a mean over 3x3
pixels leaves of it. Without padding, so that a tile's border is like the rest of it.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from histosyn.networks.convolutions import Convolution
from histosyn.networks.spectral import spectral_norm

_SLOPE = 0.2
# Smaller tiles leave nothing to judge.
LEAST_SIDE = 14
# Detail is a tenth of a tile's contrast, and spectral normalization lets nothing grow.
_GAIN = 4.0


class GrainDiscriminator(nn.Module):
    """Scores (N, 1, h, w), above 0 for real, below for synthetic; each judges 16 pixels a side.

    Its input (N, 3 + K, H, W), of `LEAST_SIDE` pixels a side at least, are tiles in [-1, 1] and
    what else it is to see.
    """

    def __init__(self, channels: int, others: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            [
                spectral_norm(Convolution(2 * 3 + others, channels, 3)),
                spectral_norm(Convolution(channels, channels, 4, stride=2)),
                spectral_norm(Convolution(channels, 2 * channels, 3)),
            ]
        )
        self.scores = Convolution(2 * channels, 1, 3)

    def forward(self, x_NCHW: torch.Tensor) -> torch.Tensor:
        """The scores."""
        tiles_N3HW = x_NCHW[:, :3]
        smooth = functional.avg_pool2d(tiles_N3HW, 3, stride=1, padding=1, count_include_pad=False)
        x = torch.cat([x_NCHW, _GAIN * (tiles_N3HW - smooth)], dim=1)
        for layer in self.layers:
            x = functional.leaky_relu(layer(x), _SLOPE)
        scores: torch.Tensor = self.scores(x)
        return scores
