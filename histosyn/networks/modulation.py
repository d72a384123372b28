"""Normalization whose scale and shift are painted by the label map.

SPADE: Park, Liu, Wang & Zhu, "Semantic image synthesis with spatially-adaptive normalization", CVPR
2019, eq. 1: x̂·(1 + γ(labels)) + β(labels), x̂ the batch-normalized features. γ and β are two 3x3
convolutions of the labels, so they are the same for all pixels with the same 5x5 neighbourhood.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn
from torch.nn import functional

from histosyn.config.networks import GeneratorConfig
from histosyn.networks.bags import bag_sums
from histosyn.networks.batch_moments import Moments
from histosyn.networks.convolutions import Convolution
from histosyn.networks.full_precision import computed_type
from histosyn.networks.fused_modulation import modulate
from histosyn.networks.levels import Level
from histosyn.networks.matmul import product
from histosyn.networks.patterns import Patterns
from histosyn.networks.pixel_blocks import Pixels
from histosyn.networks.sync_batchnorm import SyncBatchNorm2d
from histosyn.networks.table_costs import Costs, tables_cost, usual_costs

# On a CPU larger tensors come fresh from the system each time, page by page: that may take longer
# than what is computed in them.
_MOST_VALUES = 6 << 20


class _Current:
    """What this process computes by."""

    tables_below = 1.0
    costs: Costs | None = None


@contextmanager
def tables_below(cost: float, costs: Costs | None = None) -> Iterator[None]:
    """Compute γ and β for distinct neighbourhoods where that costs less (`tables_cost`).

    What it costs is reckoned with `costs`; without them, with the usual ones.
    """
    before = _Current.tables_below, _Current.costs
    _Current.tables_below, _Current.costs = cost, costs
    try:
        yield
    finally:
        _Current.tables_below, _Current.costs = before


class Modulation(nn.Module):
    """Normalizes features, modulates them by a level's label maps, and activates them."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.normalize = SyncBatchNorm2d(channels, affine=False)

    def forward(
        self, x_NChw: torch.Tensor, level: Level, moments: Moments | None, slope: float = 1.0
    ) -> torch.Tensor:
        """Features (N, C, H, W), through a leaky ReLU of this slope.

        x is as large as the level or has half as many pixels a side, each of which stands for 2x2.
        `moments` are those of x in training, where several modulations may share them.
        """
        table_R2C, pixels = self.table(level)
        times = (pixels.shape_NHW[2] // x_NChw.shape[3]) ** 2
        statistics = self.normalize.statistics(moments, times)
        return modulate(x_NChw, table_R2C, pixels, statistics, slope)

    def table(self, level: Level) -> tuple[torch.Tensor, Pixels]:
        """Rows of γ and β, (R, 2C), and which pixel has which."""
        raise NotImplementedError


class Spade(Modulation):
    """γ and β from two convolutions of the label map.

    Computed for the distinct neighbourhoods (`Patterns`) where that is less work than for the
    pixels; the same numbers but for the order of summation. With h hidden channels and M pixels the
    dense form multiplies 9·h·2C·M times for γ and β; the other one 9·h·2C·R times for R distinct
    3x3 neighbourhoods, and then adds 9·2C·P numbers for P distinct 5x5 ones.
    """

    def __init__(self, channels: int, classes: int, hidden: int) -> None:
        super().__init__(channels)
        self.embed = Convolution(classes, hidden, 3, padding=1)
        self.gamma_beta = Convolution(hidden, 2 * channels, 3, padding=1)

    def table(self, level: Level) -> tuple[torch.Tensor, Pixels]:
        """Rows of γ and β, (R, 2C), and which pixel has which."""
        if self.repeats_enough(level.shares):
            return self._of_patterns(level.patterns), level.patterns.pixels
        return self._of_pixels(level), level.pixels

    def repeats_enough(self, shares: tuple[float, float]) -> bool:
        """Whether to compute γ and β for distinct neighbourhoods rather than for pixels.

        `shares` as `Level.shares`.
        """
        weight = self.embed.weight
        half = weight.itemsize < 4 or torch.is_autocast_enabled(weight.device.type)
        costs = _Current.costs or usual_costs(half=half)
        return tables_cost(shares, len(weight), costs) < _Current.tables_below

    def _of_patterns(self, patterns: Patterns) -> torch.Tensor:
        parts = self.embed.weight.permute(2, 3, 1, 0).flatten(0, 2)
        hidden = functional.relu(bag_sums(parts, patterns.parts) + _bias(self.embed))
        # After them comes any pixel outside the map: there the second convolution sees zeros.
        hidden = functional.pad(hidden, (0, 0, 0, patterns.rows - len(hidden)))
        taps_33CH = self.gamma_beta.weight.permute(2, 3, 0, 1)
        sums = []
        for part in taps_33CH.split(self._channels_at_once(patterns), dim=2):
            contributions = product(hidden, part.flatten(0, 2)).view(-1, part.shape[2])
            sums.append(bag_sums(contributions, patterns.taps))
        table = torch.cat(sums, dim=1) if len(sums) > 1 else sums[0]
        bias = _bias(self.gamma_beta)
        # In place: another tensor of this size comes fresh from the system, page by page.
        return table.add_(bias) if table.dtype == bias.dtype else table + bias

    def _channels_at_once(self, patterns: Patterns) -> int:
        channels = len(self.gamma_beta.weight)
        if self.gamma_beta.weight.device.type != "cpu":
            return channels
        parts = -(-patterns.taps.rows * channels // _MOST_VALUES)
        return -(-channels // max(parts, 1))

    def _of_pixels(self, level: Level) -> torch.Tensor:
        segments = level.segments(computed_type(self.embed.weight))
        table = self.gamma_beta(functional.relu(self.embed(segments)))
        return table.permute(0, 2, 3, 1).flatten(0, 2)


class ClassTable(Modulation):
    """γ and β looked up per class; both are 0 where no class is, and everywhere in the beginning.

    After Tan et al., "Efficient semantic image synthesis via class-adaptive normalization", IEEE
    TPAMI 2021: what SPADE's convolutions learn is mostly the class itself.
    """

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__(channels)
        self.gamma_beta = nn.Parameter(torch.zeros(classes, 2 * channels))

    def table(self, level: Level) -> tuple[torch.Tensor, Pixels]:
        """Rows of γ and β, (classes + 1, 2C), and which pixel has which."""
        return functional.pad(self.gamma_beta, (0, 0, 0, 1)), level.pixels_of_classes


def _bias(convolution: nn.Conv2d) -> torch.Tensor:
    assert convolution.bias is not None
    return convolution.bias


def modulation(config: GeneratorConfig, channels: int, classes: int) -> Modulation:
    """The configured kind of modulation for features of so many channels."""
    if config.modulation == "class_table":
        return ClassTable(channels, classes)
    return Spade(channels, classes, config.label_channels)
