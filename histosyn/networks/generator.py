"""The generator: label map and noise in, tile out; fully convolutional, any height and width.

Shapes: N batch, C channels, H W pixels, K classes, Z noise channels; h w cells of the coarsest
grid, h = ceil(H / stride), stride = 2^upsamplings.

    noise (N, Z, h, w) + labels/stride ─ 3x3 ─ block ─ x2 ─ block ─ x2 ─ ... ─ block ─ 3x3 ─ tanh

After Park et al. 2019, with the linear layer on z replaced by noise on the coarsest grid. Half of
the noise channels are the same all over an image (its stain, its mood), half differ from cell to
cell; both are keyed by position, so any window of an image sees the same noise.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm

from histosyn.config import GeneratorConfig
from histosyn.networks.modulation import Spade, one_hot, shrink
from hpc.randomness import grid_positions, normal

_SLOPE = 0.2


class Generator(nn.Module):
    """SPADE residual blocks from the coarsest grid up to full resolution."""

    def __init__(self, config: GeneratorConfig, classes: int) -> None:
        super().__init__()
        self.config = config
        self.classes = classes
        widths = block_widths(config)
        self.entry = nn.Conv2d(config.noise_channels + classes, widths[0], 3, padding=1)
        self.blocks = nn.ModuleList(
            _Block(inner, outer, classes, config.label_channels)
            for inner, outer in zip([widths[0], *widths], widths, strict=False)
        )
        self.exit = nn.Conv2d(widths[-1], 3, 3, padding=1)

    def forward(self, labels_NHW: torch.Tensor, noise_NZhw: torch.Tensor) -> torch.Tensor:
        """Tiles (N, 3, H, W) in [-1, 1] for label maps (N, H, W)."""
        return torch.tanh(self.before_tanh(labels_NHW, noise_NZhw))

    def before_tanh(self, labels_NHW: torch.Tensor, noise_NZhw: torch.Tensor) -> torch.Tensor:
        """What `forward` puts through tanh: large magnitudes mean saturated colours."""
        height, width = labels_NHW.shape[1:]
        labels_NHW = _pad(labels_NHW, self.config.stride)
        coarse = shrink(labels_NHW, self.config.stride)
        x = self.entry(torch.cat([noise_NZhw, one_hot(coarse, self.classes, noise_NZhw.dtype)], 1))
        for level, block in enumerate(self.blocks):
            if level:
                x = functional.interpolate(x, scale_factor=2, mode="nearest")
            x = block(x, shrink(labels_NHW, self.config.stride >> level))
        return self.exit(functional.leaky_relu(x, _SLOPE))[..., :height, :width]


class _Block(nn.Module):
    """Two modulated convolutions and a shortcut, learned where the width changes."""

    def __init__(self, inner: int, outer: int, classes: int, label_channels: int) -> None:
        super().__init__()
        middle = min(inner, outer)
        self.norm_0 = Spade(inner, classes, label_channels)
        self.conv_0 = spectral_norm(nn.Conv2d(inner, middle, 3, padding=1))
        self.norm_1 = Spade(middle, classes, label_channels)
        self.conv_1 = spectral_norm(nn.Conv2d(middle, outer, 3, padding=1))
        self.shortcut = (
            spectral_norm(nn.Conv2d(inner, outer, 1, bias=False)) if inner != outer else None
        )

    def forward(self, x_NCHW: torch.Tensor, labels_NHW: torch.Tensor) -> torch.Tensor:
        y = self.conv_0(functional.leaky_relu(self.norm_0(x_NCHW, labels_NHW), _SLOPE))
        y = self.conv_1(functional.leaky_relu(self.norm_1(y, labels_NHW), _SLOPE))
        return y + (x_NCHW if self.shortcut is None else self.shortcut(x_NCHW))


def block_widths(config: GeneratorConfig) -> list[int]:
    """Channels that each block gives, coarsest first; the last has the base width."""
    return [
        config.base_channels * min(2**level, config.max_multiplier)
        for level in reversed(range(config.upsamplings + 1))
    ]


def draw_noise(
    keys: Sequence[int], config: GeneratorConfig, height: int, width: int, device: torch.device
) -> torch.Tensor:
    """Noise (N, Z, h, w), float32, for images of `height` x `width` pixels, one key an image."""
    rows, columns = -(-height // config.stride), -(-width // config.stride)
    whole = config.noise_channels // 2
    everywhere = grid_positions(whole, range(1), range(1), device).expand(whole, rows, columns)
    local = grid_positions(config.noise_channels, range(rows), range(columns), device)[whole:]
    positions = torch.cat([everywhere, local])
    return torch.stack([normal(key, positions) for key in keys]).float()


def _pad(labels_NHW: torch.Tensor, stride: int) -> torch.Tensor:
    """Repeat the last row and column until `stride` divides both sides."""
    bottom, right = (-side % stride for side in labels_NHW.shape[1:])
    if not (bottom or right):
        return labels_NHW
    padded = functional.pad(labels_NHW[:, None].float(), (0, right, 0, bottom), mode="replicate")
    return padded[:, 0].to(labels_NHW.dtype)
