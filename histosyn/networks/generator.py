"""The generator: label map and noise in, tile out; fully convolutional, any height and width.

Shapes: N batch, C channels, H W pixels, K classes, Z noise channels; h w cells of the coarsest
grid, h = ceil(H / stride), stride = 2^upsamplings.

    noise (N, Z, h, w) + labels/stride ─ 3x3 ─ block ─ x2 ─ block ─ x2 ─ ... ─ block ─ 3x3 ─ tanh

After Park et al. 2019, with the linear layer on z replaced by noise on the coarsest grid. Half of
the noise channels are the same all over an image (its stain, its mood), half differ from cell to
cell; both are keyed by position, so any window of an image sees the same noise. The linear layer
itself is there too (entry linear): what the original has, for tiles of one size.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

from histosyn.config.networks import GeneratorConfig
from histosyn.networks.batch_moments import measure
from histosyn.networks.convolutions import Convolution
from histosyn.networks.filtered_doubling import filtered_doubling
from histosyn.networks.full_precision import doubled
from histosyn.networks.levels import Level, levels_of
from histosyn.networks.matmul import pointwise
from histosyn.networks.modulation import modulation
from histosyn.networks.noise import Noise, draw_noise
from histosyn.networks.patterns import one_hot
from histosyn.networks.recompute import recomputed
from histosyn.networks.spectral import estimate_ahead, spectral_norm
from histosyn.networks.stain_input import StainInput
from histosyn.networks.sync_batchnorm import kept_together
from hpc.errors import InputError
from hpc.packed_integers import PackedIntegers

__all__ = ["Generator", "Noise", "block_widths", "draw_noise"]

_SLOPE = 0.2


class Generator(nn.Module):
    """Modulated residual blocks from the coarsest grid up to full resolution."""

    def __init__(self, config: GeneratorConfig, classes: int) -> None:
        super().__init__()
        self.config = config
        self.classes = classes
        widths = block_widths(config)
        self.entry = _entry(config, classes, widths[0])
        inner_widths = [widths[0], *widths[:-1]]
        self.blocks = nn.ModuleList(
            _Block(config, inner, outer, classes)
            for inner, outer in zip(inner_widths, widths, strict=True)
        )
        # How strongly each channel takes up the pixel noise of its resolution.
        self.noise_strengths = nn.ParameterList(
            nn.Parameter(torch.zeros(width)) for width in inner_widths if config.pixel_noise
        )
        self.stain = StainInput(inner_widths) if config.stain else None
        self.exit = _convolution(config, widths[-1], 3)

    def forward(
        self, labels_NHW: torch.Tensor, noise: Noise, levels: Sequence[Level] | None = None
    ) -> torch.Tensor:
        """Tiles (N, 3, H, W) in [-1, 1] for label maps (N, H, W).

        The label maps may be on the host, where their neighbourhoods are found. `levels`, if at
        hand, are what `levels_of` gives for them: several forwards may share them.
        Raises InputError if entry is linear and the label maps are not of the size it is made for.
        """
        height, width = labels_NHW.shape[1:]
        levels = self.levels_of(labels_NHW) if levels is None else levels
        if self.training:
            estimate_ahead(self)
        with kept_together():
            x = self.enter(levels, noise)
            for number in range(len(self.blocks)):
                x = self.rise(number, x, levels[number], noise.at(number), noise.stain)
        return torch.tanh(self.leave(x)[..., :height, :width])

    def levels_of(
        self, labels_NHW: torch.Tensor, found: PackedIntegers | None = None
    ) -> Sequence[Level]:
        """The label maps at each block's resolution, coarsest first, for the three steps below.

        `found` are their `histosyn.networks.label_tables`, on the device, if they are at hand.
        """
        device = self.exit.weight.device
        return levels_of(labels_NHW, self.config.stride, self.classes, device, found)

    def enter(self, levels: Sequence[Level], noise: Noise) -> torch.Tensor:
        """Features on the coarsest grid."""
        level, side = levels[0], self.config.grid_size
        entry = noise.entry.to(self.entry.weight.dtype)
        if side is None:
            segments = one_hot(level.labels_NHW, self.classes, entry.dtype)
            return self.entry(torch.cat([entry, segments], dim=1))
        if level.labels_NHW.shape[1:] != (side, side):
            pixels = side * self.config.stride
            raise InputError(
                f"This generator makes tiles of {pixels}x{pixels} pixels only (its entry is "
                "linear). Give label maps of this size."
            )
        return self.entry(entry).unflatten(1, (-1, side, side))

    def rise(
        self,
        number: int,
        x_NChw: torch.Tensor,
        level: Level,
        pixel_noise_N1HW: torch.Tensor | None,
        stain_NS: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Block `number` on the features of the one before; all but the first double the size."""
        block = self.blocks[number]
        if self.config.upsampling == "bilinear":
            x_NChw = _smoothly_enlarged(x_NChw, level)
        if pixel_noise_N1HW is not None:
            strength_C11 = self.noise_strengths[number].view(-1, 1, 1)
            x_NChw = _enlarged(x_NChw, level) + (pixel_noise_N1HW * strength_C11).to(x_NChw)
        if self.stain is not None and stain_NS is not None:
            x_NChw = x_NChw + self.stain(number, stain_NS)[..., None, None].to(x_NChw)
        if self.config.recompute and torch.is_grad_enabled():
            return recomputed(block, x_NChw, level)
        return block(x_NChw, level)

    def leave(self, x_NCHW: torch.Tensor) -> torch.Tensor:
        """Three channels from the last block's features."""
        return self.exit(functional.leaky_relu(x_NCHW, _SLOPE).to(self.exit.weight.dtype))


class _Block(nn.Module):
    """Two modulated convolutions and a shortcut, modulated and learned where the width changes."""

    def __init__(self, config: GeneratorConfig, inner: int, outer: int, classes: int) -> None:
        super().__init__()
        middle = min(inner, outer)
        self.norm_0 = modulation(config, inner, classes)
        self.conv_0 = spectral_norm(_convolution(config, inner, middle))
        self.norm_1 = modulation(config, middle, classes)
        self.conv_1 = spectral_norm(_convolution(config, middle, outer))
        self.norm_s = modulation(config, inner, classes) if inner != outer else None
        self.shortcut = (
            spectral_norm(Convolution(inner, outer, 1, bias=False)) if inner != outer else None
        )

    def forward(self, x_NChw: torch.Tensor, level: Level) -> torch.Tensor:
        """Features as large as the level; x may have half as many pixels a side."""
        # Doubling changes neither mean nor variance, so norm_0 and norm_s share those of x.
        moments = measure(x_NChw) if self.training else None
        y = self.conv_0(self.norm_0(x_NChw, level, moments, _SLOPE))
        moments_y = measure(y) if self.training else None
        y = self.conv_1(self.norm_1(y, level, moments_y, _SLOPE))
        if self.norm_s is None or self.shortcut is None:
            return _added(y, _enlarged(x_NChw, level))
        return _added(y, pointwise(self.norm_s(x_NChw, level, moments), self.shortcut))


def block_widths(config: GeneratorConfig) -> list[int]:
    """Channels that each block gives, coarsest first; the last has the base width."""
    return [
        config.base_channels * min(2**level, config.max_multiplier)
        for level in reversed(range(config.upsamplings + 1))
    ]


def _entry(config: GeneratorConfig, classes: int, width: int) -> Convolution | nn.Linear:
    if config.grid_size is None:
        return _convolution(config, config.noise_channels + classes, width)
    return nn.Linear(config.noise_channels, width * config.grid_size**2)


def _convolution(config: GeneratorConfig, inner: int, outer: int) -> Convolution:
    return Convolution(inner, outer, 3, padding=1, padding_mode=config.border)


def _smoothly_enlarged(x_NChw: torch.Tensor, level: Level) -> torch.Tensor:
    """Doubled with a filter, if the level is twice as large; mean as before, variance less."""
    if x_NChw.shape[2:] == level.labels_NHW.shape[1:]:
        return x_NChw
    return filtered_doubling(x_NChw)


def _added(y_NCHW: torch.Tensor, x_NCHW: torch.Tensor) -> torch.Tensor:
    """The sum, in place of y, which nobody else has, unless its type is another.

    A third tensor of this size would come fresh from the system, page by page: three times as slow.
    """
    return y_NCHW.add_(x_NCHW) if y_NCHW.dtype == x_NCHW.dtype else y_NCHW + x_NCHW


def _enlarged(x_NChw: torch.Tensor, level: Level) -> torch.Tensor:
    """Doubled, if the level is twice as large."""
    if x_NChw.shape[2:] == level.labels_NHW.shape[1:]:
        return x_NChw
    return doubled(x_NChw)
