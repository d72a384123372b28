"""Features of a frozen pretrained network, standardized, for discriminators and losses."""

from __future__ import annotations

import torch
from torch import nn

from histosyn.pretrained.efficientnet_lite import EfficientNetLite, network_input


class StandardFeatures(nn.Module):
    """(N, C, h, w) at strides 2, 4, 8 and 16, with mean 0 and spread 1 over natural photographs."""

    def __init__(self, network: EfficientNetLite) -> None:
        super().__init__()
        self.network = network
        moments = network.expected_moments()
        self.channels = [len(mean_C) for mean_C, _ in moments]
        for i, (mean_C, spread_C) in enumerate(moments):
            self.register_buffer(f"mean_{i}", mean_C[:, None, None].clone())
            self.register_buffer(f"spread_{i}", spread_C[:, None, None].clone())
        self.eval().requires_grad_(False)

    def forward(self, tiles_NCHW: torch.Tensor) -> list[torch.Tensor]:
        """Of tiles (N, 3, H, W) in [-1, 1]."""
        layers = self.network.features(network_input((tiles_NCHW + 1) / 2))
        return [
            (layer - self.get_buffer(f"mean_{i}")) / self.get_buffer(f"spread_{i}")
            for i, layer in enumerate(layers)
        ]
