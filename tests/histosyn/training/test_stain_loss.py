"""The term that compares stains."""

import pytest
import torch

from histosyn.networks.stain_input import StainInput
from histosyn.stain.code import stain_code
from histosyn.stain.seen import SeenStains
from histosyn.training.losses import DiscriminatorOutputs
from histosyn.training.stain_loss import stain_difference


def outputs(real, synthetic):
    return DiscriminatorOutputs(
        labels_NHW=torch.zeros(len(real), *real.shape[2:], dtype=torch.long),
        tiles_NCHW=real,
        synthetic_NCHW=synthetic,
        real=[],
        synthetic=[],
        stain_NS=stain_code(real),
    )


def tissue(seed=0):
    random = torch.Generator().manual_seed(seed)
    return torch.rand(2, 3, 48, 48, generator=random) * 1.2 - 0.8


def test_a_tile_differs_in_nothing_from_itself():
    same = outputs(tissue(), tissue().requires_grad_())
    assert stain_difference(StainInput([4]))(same).item() == 0


def test_stain_counts_in_spreads_of_the_training_tiles():
    stain = StainInput([4])
    darker = tissue() - 0.15
    plain = stain_difference(stain)(outputs(tissue(), darker)).item()
    stain.spread_S.fill_(0.5)
    assert stain_difference(stain)(outputs(tissue(), darker)).item() == pytest.approx(2 * plain)


def test_seen_stains_standardize_codes():
    codes = stain_code(tissue()).double().numpy()
    stain = StainInput([4])
    stain.standardize(SeenStains(codes_MS=codes, groups=(None, None)))
    standard = stain.standardized(stain_code(tissue()))
    torch.testing.assert_close(standard.mean(0), torch.zeros(7), atol=1e-3, rtol=0)
