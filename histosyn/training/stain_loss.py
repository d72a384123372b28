"""The term of the generator's loss that holds a tile to the stain that was given."""

from __future__ import annotations

import torch
from torch.nn import functional

from histosyn.networks.stain_input import StainInput
from histosyn.stain.code import stain_code
from histosyn.training.losses import Compute, DiscriminatorOutputs


def stain_difference(stain: StainInput) -> Compute:
    """Mean |code of the synthetic tile − code that was given|, in spreads over training tiles."""

    def compute(outputs: DiscriminatorOutputs) -> torch.Tensor:
        assert outputs.stain_NS is not None
        made = stain.standardized(stain_code(outputs.synthetic_NCHW))
        return functional.l1_loss(made, stain.standardized(outputs.stain_NS))

    return compute
