"""A U-Net (Ronneberger et al., MICCAI 2015) with group normalization.

Groups are normalized within a tile (Wu & He, ECCV 2018), so what the network says of a tile does
not depend on the others of its batch, nor on how many processes trained it.
"""

from __future__ import annotations

from math import gcd

import torch
from torch import nn
from torch.nn import functional

from eval.segmenter.config import NetworkConfig
from histosyn.networks.convolutions import Convolution

_GROUPS = 8


class UNet(nn.Module):
    """Tiles (N, 3, H, W) in [-1, 1] to logits (N, K, H, W), for any H and W.

    Where the halvings do not divide a side, the tile is continued by its last row or column.
    """

    def __init__(self, config: NetworkConfig, classes: int) -> None:
        super().__init__()
        widths = [
            config.base_channels * min(1 << level, config.max_multiplier)
            for level in range(config.halvings + 1)
        ]
        self.stride = 1 << config.halvings
        self.entry = _Block(3, widths[0])
        self.down = nn.ModuleList(_Block(widths[i], widths[i + 1]) for i in range(config.halvings))
        self.up = nn.ModuleList(
            _Block(widths[i + 1] + widths[i], widths[i]) for i in reversed(range(config.halvings))
        )
        self.exit = Convolution(widths[0], classes, 1)

    def forward(self, tiles_NCHW: torch.Tensor) -> torch.Tensor:
        """The logits of each pixel."""
        height, width = tiles_NCHW.shape[2:]
        *_, last_NCHW = self._levels(tiles_NCHW)
        return self.exit(last_NCHW)[:, :, :height, :width]

    def features(self, tiles_NCHW: torch.Tensor) -> torch.Tensor:
        """Features (N, D) of a tile: spatial means of the bottleneck and the decoder levels."""
        levels = self._levels(tiles_NCHW)
        return torch.cat([level_NCHW.mean(dim=(2, 3)) for level_NCHW in levels], dim=1)

    def _levels(self, tiles_NCHW: torch.Tensor) -> list[torch.Tensor]:
        """The bottleneck, then the decoder's features from coarse to fine."""
        height, width = tiles_NCHW.shape[2:]
        missing = (0, -width % self.stride, 0, -height % self.stride)
        x_NCHW = self.entry(functional.pad(tiles_NCHW, missing, mode="replicate"))
        skipped = []
        for block in self.down:
            skipped.append(x_NCHW)
            x_NCHW = block(functional.max_pool2d(x_NCHW, 2))
        levels = [x_NCHW]
        for block, skip_NCHW in zip(self.up, reversed(skipped), strict=True):
            x_NCHW = functional.interpolate(x_NCHW, scale_factor=2.0, mode="nearest")
            x_NCHW = block(torch.cat([x_NCHW, skip_NCHW], dim=1))
            levels.append(x_NCHW)
        return levels


class _Block(nn.Sequential):
    """Two 3x3 convolutions, each normalized and rectified."""

    def __init__(self, inputs: int, outputs: int) -> None:
        layers: list[nn.Module] = []
        for channels in (inputs, outputs):
            layers += [
                Convolution(channels, outputs, 3, padding=1, bias=False),
                # At least two channels a group: a tile may be one cell at the bottleneck.
                nn.GroupNorm(gcd(_GROUPS, outputs // 2), outputs),
                nn.ReLU(),
            ]
        super().__init__(*layers)
