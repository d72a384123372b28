"""Discriminators on the features of a frozen pretrained network, beside the patch ones.

Sauer, Chitta, Müller & Geiger, "Projected GANs converge faster", NeurIPS 2021: features at four
strides are mixed at random across channels, then from deep to shallow across scales; both mixtures
are fixed. A small head on each judges them, here together with the label map. The frozen network is
no part of what is learned or saved; it is named where the model is (`Pretrained`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from histosyn.config.networks import DiscriminatorConfig
from histosyn.networks.convolutions import Convolution
from histosyn.networks.discriminator import Features, MultiscaleDiscriminator
from histosyn.networks.frozen_features import StandardFeatures
from histosyn.networks.patterns import one_hot
from histosyn.networks.spectral import spectral_norm
from histosyn.pretrained.efficientnet_lite import FEATURE_STAGES, EfficientNetLite
from histosyn.pretrained.packages import load_pretrained

_SLOPE = 0.2
# Channels that the features of each stride are mixed to.
_MIXED = (32, 32, 64, 64)


class ProjectedDiscriminator(nn.Module):
    """The configured patch discriminators, then one for each layer of frozen features."""

    def __init__(self, config: DiscriminatorConfig, classes: int) -> None:
        super().__init__()
        self.patches = MultiscaleDiscriminator(config, classes)
        self.classes = self.patches.classes
        assert config.frozen_network is not None, "without one there is nothing to project"
        network, _ = load_pretrained(config.frozen_network)
        # In a list, where PyTorch does not look for parameters to learn or to save.
        self.frozen_parts = [_Projection(network)]
        self.heads = nn.ModuleList(
            _Head(mixed + self.classes, config.pretrained_channels * (2 if i > 1 else 1), i < 3)
            for i, mixed in enumerate(_MIXED)
        )

    def forward(self, tiles_NCHW: torch.Tensor, labels_NHW: torch.Tensor) -> Features:
        """Features and scores for tiles (N, 3, H, W) in [-1, 1] with label maps (N, H, W)."""
        features = self.patches(tiles_NCHW, labels_NHW)
        segments = one_hot(labels_NHW, self.classes, tiles_NCHW.dtype)
        for layer, head in zip(self.frozen_parts[0](tiles_NCHW), self.heads, strict=True):
            if self.classes:
                shares = functional.adaptive_avg_pool2d(segments, layer.shape[2:])
                layer = torch.cat([layer, shares.to(layer.dtype)], dim=1)
            features.append(head(layer))
        return features

    def _apply(self, fn: Callable[..., Any], recurse: bool = True) -> ProjectedDiscriminator:
        # It goes where the weights go, though it is none of them.
        self.frozen_parts[0]._apply(fn, recurse)
        return super()._apply(fn, recurse)


class _Head(nn.Module):
    """Two convolutions and one that gives the scores."""

    def __init__(self, inputs: int, width: int, halves: bool) -> None:
        super().__init__()
        side, stride = (4, 2) if halves else (3, 1)
        self.layers = nn.ModuleList(
            [
                spectral_norm(Convolution(inputs, width, 3, padding=1)),
                spectral_norm(Convolution(width, width, side, stride=stride, padding=1)),
            ]
        )
        self.scores = Convolution(width, 1, 3, padding=1)

    def forward(self, x_NChw: torch.Tensor) -> list[torch.Tensor]:
        features = []
        for layer in self.layers:
            x_NChw = functional.leaky_relu(layer(x_NChw), _SLOPE)
            features.append(x_NChw)
        return [*features, self.scores(x_NChw)]


class _Projection(nn.Module):
    """Standardized frozen features, mixed: (N, C, h, w) at strides 2, 4, 8 and 16."""

    def __init__(self, network: EfficientNetLite) -> None:
        super().__init__()
        self.features = StandardFeatures(network)
        random = torch.Generator().manual_seed(1)
        for i, count in enumerate(self.features.channels):
            channels = torch.randn(_MIXED[i], count, 1, 1, generator=random)
            self.register_buffer(f"channels_{i}", channels / count**0.5)
            if i + 1 < len(FEATURE_STAGES):
                scales = torch.randn(_MIXED[i], _MIXED[i + 1], 3, 3, generator=random)
                self.register_buffer(f"scales_{i}", scales / (9 * _MIXED[i + 1]) ** 0.5)
        self.eval().requires_grad_(False)

    def forward(self, tiles_NCHW: torch.Tensor) -> list[torch.Tensor]:
        mixed = [
            functional.conv2d(layer, self.get_buffer(f"channels_{i}"))
            for i, layer in enumerate(self.features(tiles_NCHW))
        ]
        for i in reversed(range(len(mixed) - 1)):
            deeper = functional.conv2d(mixed[i + 1], self.get_buffer(f"scales_{i}"), padding=1)
            deeper = functional.interpolate(deeper, size=mixed[i].shape[2:], mode="bilinear")
            mixed[i] = mixed[i] + deeper
        return mixed
