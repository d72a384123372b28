"""Patch discriminators at several scales that see the tile together with its label map.

After Wang et al., "High-resolution image synthesis and semantic manipulation with conditional
GANs", CVPR 2018, with spectral and instance normalization as in Park et al. 2019.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from histosyn.config.networks import DiscriminatorConfig
from histosyn.networks.convolutions import Convolution
from histosyn.networks.discriminator_grain import GrainDiscriminator
from histosyn.networks.patterns import one_hot
from histosyn.networks.spectral import spectral_norm

_SLOPE = 0.2
# Per scale the features of each layer; the last are the patch scores (N, 1, h, w).
Features = list[list[torch.Tensor]]


class MultiscaleDiscriminator(nn.Module):
    """`config.scales` patch discriminators, each on a tile half as large as the one before."""

    def __init__(self, config: DiscriminatorConfig, classes: int) -> None:
        super().__init__()
        self.classes = classes if config.sees_labels else 0
        self.scales = nn.ModuleList(
            _Patches(config, self.classes + 3) for _ in range(config.scales)
        )
        grain = config.grain_channels
        self.grain = GrainDiscriminator(grain, self.classes) if grain else None

    def forward(self, tiles_NCHW: torch.Tensor, labels_NHW: torch.Tensor) -> Features:
        """Features and scores for tiles (N, 3, H, W) in [-1, 1] with label maps (N, H, W)."""
        x = tiles_NCHW
        if self.classes:
            x = torch.cat([x, one_hot(labels_NHW, self.classes, x.dtype)], dim=1)
        features = []
        if self.grain is not None:
            # The scores alone: no two tiles have the same grain, so there is nothing to match.
            features.append([self.grain(x)])
        for scale, patches in enumerate(self.scales):
            if scale:
                x = functional.avg_pool2d(x, 3, stride=2, padding=1, count_include_pad=False)
            features.append(patches(x))
        return features


class _Patches(nn.Module):
    """Strided 4x4 convolutions; each score judges a patch."""

    def __init__(self, config: DiscriminatorConfig, inputs: int) -> None:
        super().__init__()
        widths = [config.base_channels * min(2**i, 8) for i in range(config.layers)]
        layers: list[nn.Module] = [_Layer(inputs, widths[0], stride=2, normalized=False)]
        for i in range(1, config.layers):
            stride = 1 if i == config.layers - 1 else 2
            layers.append(_Layer(widths[i - 1], widths[i], stride=stride, normalized=True))
        layers.append(Convolution(widths[-1], 1, 4, padding=2))
        self.layers = nn.ModuleList(layers)

    def forward(self, x_NCHW: torch.Tensor) -> list[torch.Tensor]:
        features = []
        for layer in self.layers:
            x_NCHW = layer(x_NCHW)
            features.append(x_NCHW)
        return features


class _Layer(nn.Module):
    def __init__(self, inner: int, outer: int, *, stride: int, normalized: bool) -> None:
        super().__init__()
        convolution = Convolution(inner, outer, 4, stride=stride, padding=2, bias=not normalized)
        self.convolution = spectral_norm(convolution)
        self.normalize = nn.InstanceNorm2d(outer) if normalized else nn.Identity()

    def forward(self, x_NCHW: torch.Tensor) -> torch.Tensor:
        return functional.leaky_relu(self.normalize(self.convolution(x_NCHW)), _SLOPE)
