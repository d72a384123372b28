"""Terms that compare stain and spectrum."""

import pytest
import torch

from histosyn.networks.stain_input import StainInput
from histosyn.stain.code import stain_code
from histosyn.stain.seen import SeenStains
from histosyn.training.image_losses import spectrum_difference, stain_difference
from histosyn.training.losses import DiscriminatorOutputs


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
    assert spectrum_difference(same).item() == 0
    assert stain_difference(StainInput([4]))(same).item() == 0


def test_stain_counts_in_spreads_of_the_training_tiles():
    stain = StainInput([4])
    darker = tissue() - 0.15
    plain = stain_difference(stain)(outputs(tissue(), darker)).item()
    stain.spread_S.fill_(0.5)
    assert stain_difference(stain)(outputs(tissue(), darker)).item() == pytest.approx(2 * plain)


def test_missing_grain_counts_as_much_as_missing_structure():
    """Energy halved in the finest band alone gives log(2), over all rings."""
    real = tissue()
    blurred = torch.nn.functional.avg_pool2d(real, 3, stride=1, padding=1)
    assert spectrum_difference(outputs(real, blurred)) > 0.5
    # A factor of the contrast is the same difference in each ring: 2·log of it.
    flat = real.mean(dim=(2, 3), keepdim=True)
    weaker = flat + (real - flat) * 0.5
    assert spectrum_difference(outputs(real, weaker)).item() == pytest.approx(
        2 * torch.tensor(2.0).log().item(), rel=1e-3
    )


def test_noise_added_to_what_is_too_smooth_lowers_it():
    real, synthetic = tissue(), torch.full((2, 3, 48, 48), -0.2)
    noise = torch.randn(2, 3, 48, 48, generator=torch.Generator().manual_seed(1))
    strength = torch.tensor(0.05, requires_grad=True)
    loss = spectrum_difference(outputs(real, synthetic + strength * noise))
    loss.backward()
    assert strength.grad < 0


def test_seen_stains_standardize_codes():
    codes = stain_code(tissue()).double().numpy()
    stain = StainInput([4])
    stain.standardize(SeenStains(codes_MS=codes, groups=(None, None)))
    standard = stain.standardized(stain_code(tissue()))
    torch.testing.assert_close(standard.mean(0), torch.zeros(7), atol=1e-3, rtol=0)
