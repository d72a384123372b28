from __future__ import annotations

import pytest
import torch
from torch import nn

from histosyn.networks.ema import Ema


def network(value: float) -> nn.Module:
    norm = nn.BatchNorm2d(2)
    with torch.no_grad():
        norm.weight.fill_(value)
        norm.running_mean.fill_(value)
    return norm


def test_trails_behind_and_copies_buffers() -> None:
    ema = Ema(network(0.0), decay=0.5)
    late = 10**6  # where the decay is the configured one
    ema.update(network(1.0), late)
    assert ema.network.weight.tolist() == [0.5, 0.5]
    assert ema.network.running_mean.tolist() == [1.0, 1.0]
    ema.update(network(1.0), late)
    assert ema.network.weight.tolist() == [0.75, 0.75]


def test_forgets_the_start_early_on() -> None:
    ema = Ema(network(0.0), decay=0.999)
    ema.update(network(1.0), 0)
    assert ema.network.weight[0].item() == pytest.approx(0.9)  # decay (1 + 0) / (10 + 0)


def test_is_a_copy_that_does_not_learn() -> None:
    original = network(1.0)
    ema = Ema(original, decay=0.9)
    assert not any(parameter.requires_grad for parameter in ema.network.parameters())
    assert not ema.network.training
    assert original.training
    assert original.weight.requires_grad
