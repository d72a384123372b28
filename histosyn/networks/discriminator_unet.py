"""A U-Net discriminator that tells of each pixel its class, or that it is synthetic.

After Schönfeld et al., "You only need adversarial supervision for semantic image synthesis",
ICLR 2021, with another layout, because at full resolution theirs spends most of a training step:

    tile (3, H, W) ─ 4x4/2 ─ down ─ ... ─ down          H/2 ... H/2^layers
                       │       │            │
    logits (K+1, H, W) ─ head ─ up ─ ... ── up

The tile enters by a strided convolution and the logits of each 2x2 pixels leave as channels of one
pixel at half the resolution: no features are computed at full resolution. Blocks go down by a
strided convolution, and up by one that works before the upsampling.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

from histosyn.config.networks import DiscriminatorConfig
from histosyn.networks.convolutions import Convolution
from histosyn.networks.discriminator import Features
from histosyn.networks.full_precision import doubled
from histosyn.networks.spectral import spectral_norm

_SLOPE = 0.2
_ENTRY = 2


class UnetDiscriminator(nn.Module):
    """Logits of K classes and, last, of being synthetic; `config.layers` halvings down and up."""

    def __init__(self, config: DiscriminatorConfig, classes: int) -> None:
        super().__init__()
        widths = [config.base_channels * min(2**level, 8) for level in range(config.layers)]
        self.stride = 1 << config.layers
        self.entry = spectral_norm(Convolution(3, widths[0], 4, stride=_ENTRY, padding=1))
        steps = list(pairwise(widths))
        self.down = nn.ModuleList(_Down(inner, outer) for inner, outer in steps)
        self.up = nn.ModuleList(_Up(inner, outer) for outer, inner in reversed(steps))
        self.head = Convolution(widths[0], (classes + 1) * _ENTRY**2, 3, padding=1)

    def forward(self, tiles_NCHW: torch.Tensor, labels_NHW: torch.Tensor) -> Features:
        """Logits (N, K + 1, H, W) as the scores of one scale, for tiles (N, 3, H, W) in [-1, 1].

        The label maps are what it is to find out: it does not look at them.
        """
        height, width = tiles_NCHW.shape[2:]
        x = self.entry(_padded(tiles_NCHW, self.stride))
        skips = [x]
        for block in self.down:
            x = block(x)
            skips.append(x)
        skips.pop()
        for block in self.up:
            x = block(x, skips.pop())
        x = self.head(functional.leaky_relu(x, _SLOPE))
        return [[functional.pixel_shuffle(x, _ENTRY)[..., :height, :width]]]


class _Down(nn.Module):
    """Half the resolution; the shortcut averages what the convolution strides over."""

    def __init__(self, inner: int, outer: int) -> None:
        super().__init__()
        self.strided = spectral_norm(Convolution(inner, outer, 4, stride=2, padding=1))
        self.convolution = spectral_norm(Convolution(outer, outer, 3, padding=1))
        self.shortcut = spectral_norm(Convolution(inner, outer, 1, bias=False))

    def forward(self, x_NCHW: torch.Tensor) -> torch.Tensor:
        y = self.strided(functional.leaky_relu(x_NCHW, _SLOPE))
        y = self.convolution(functional.leaky_relu(y, _SLOPE))
        return y + self.shortcut(functional.avg_pool2d(x_NCHW, 2))


class _Up(nn.Module):
    """Twice the resolution, joined by what the way down had there."""

    def __init__(self, inner: int, outer: int) -> None:
        super().__init__()
        self.coarse = spectral_norm(Convolution(inner, outer, 3, padding=1))
        self.convolution = spectral_norm(Convolution(2 * outer, outer, 3, padding=1))
        self.shortcut = spectral_norm(Convolution(inner, outer, 1, bias=False))

    def forward(self, x_NCHW: torch.Tensor, skip_NCHW: torch.Tensor) -> torch.Tensor:
        y = self.coarse(functional.leaky_relu(x_NCHW, _SLOPE))
        y = torch.cat([doubled(y), skip_NCHW], dim=1)
        y = self.convolution(functional.leaky_relu(y, _SLOPE))
        return y + doubled(self.shortcut(x_NCHW))


def _padded(tiles_NCHW: torch.Tensor, stride: int) -> torch.Tensor:
    """Repeat the last row and column until `stride` divides both sides."""
    bottom, right = (-side % stride for side in tiles_NCHW.shape[2:])
    if not (bottom or right):
        return tiles_NCHW
    return functional.pad(tiles_NCHW, (0, right, 0, bottom), mode="replicate")
