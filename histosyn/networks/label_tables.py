"""What a generator will ask of label maps, found ahead of it: in loader workers, on the host.

For each level: how many of its neighbourhoods are distinct, which decides how γ and β are computed,
and the tables of the way that is decided on. All of them travel as one vector of numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from histosyn.config.train import TrainConfig
from histosyn.networks.levels import Level, padded
from histosyn.networks.patterns import shrink
from histosyn.networks.table_costs import Costs, tables_cost, usual_costs
from hpc.packed_integers import PackedIntegers, Packer


@dataclass(frozen=True, kw_only=True)
class LabelTables:
    """Finds the tables of label maps for the training of a generator.

    `hidden` channels, `costs` and `below` decide as in `Spade.repeats_enough`; `device` is where
    features are computed. Label maps are on the host, where it is all done.
    """

    stride: int
    classes: int
    modulation: str
    hidden: int
    costs: Costs
    below: float
    device: str

    def __call__(self, labels_NHW: torch.Tensor) -> PackedIntegers:
        """The tables of label maps (N, H, W) of any integer type, for `levels_of`."""
        host_NHW = padded(labels_NHW.long(), self.stride)
        factors = [self.stride >> number for number in range(self.stride.bit_length())]
        packer = Packer()
        return packer.packed([self._found(shrink(host_NHW, each), packer) for each in factors])

    def _found(self, host_NHW: torch.Tensor, packer: Packer) -> Any:
        level = Level(host_NHW, self.classes, device=torch.device(self.device))
        if self.modulation == "class_table":
            return None, None, level.host_pixels.pack(packer, gradients=True)
        if not self.below:
            # Nobody asks how many are distinct.
            return (1.0, 1.0), None, None
        patterns = level.host_patterns
        cost = tables_cost(level.shares, self.hidden, self.costs)
        plan = patterns.pack(packer, gradients=True) if cost < self.below else None
        return level.shares, plan, None


def label_tables(config: TrainConfig, classes: int, device: torch.device) -> LabelTables:
    """For the generator of a configuration, whose precision is settled."""
    generator, below = config.generator, config.run.tables_below
    usual = usual_costs(half=config.run.precision == "bfloat16")
    return LabelTables(
        stride=generator.stride,
        classes=classes,
        modulation=generator.modulation,
        hidden=generator.label_channels,
        costs=config.run.table_costs or usual,
        below=1.0 if below is None else below,
        device=device.type,
    )
