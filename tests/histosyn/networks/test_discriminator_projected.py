"""Discriminators on frozen features: what is learned, what is saved, what is frozen."""

import pytest
import torch

from histosyn.config.networks import DiscriminatorConfig
from histosyn.networks.discriminator_projected import ProjectedDiscriminator

CONFIG = DiscriminatorConfig(
    pretrained="efficientnet-lite0", pretrained_channels=4, base_channels=4, layers=2, scales=1,
    grain_channels=0,
)  # fmt: skip


@pytest.fixture(scope="module")
def discriminator():
    torch.manual_seed(0)
    return ProjectedDiscriminator(CONFIG, 3)


def judged(discriminator, side=64, dtype=torch.float32):
    tiles = torch.rand(2, 3, side, side, dtype=dtype).requires_grad_()
    labels = torch.randint(0, 3, (2, side, side))
    return tiles, discriminator(tiles, labels)


def test_each_layer_of_features_has_a_head_after_the_patches(discriminator):
    _, features = judged(discriminator)
    assert [scale[-1].shape[1:] for scale in features[1:]] == [
        (1, 16, 16), (1, 8, 8), (1, 4, 4), (1, 4, 4),
    ]  # fmt: skip
    assert len(features) == CONFIG.scales + 4


def test_the_frozen_network_is_neither_learned_nor_saved(discriminator):
    names = [*dict(discriminator.named_parameters()), *discriminator.state_dict()]
    assert names and all(name.startswith(("patches.", "heads.")) for name in names)
    frozen = [p for part in discriminator.frozen_parts for p in part.parameters()]
    before = [p.clone() for p in frozen]
    tiles, features = judged(discriminator)
    sum(scale[-1].sum() for scale in features).backward()
    assert tiles.grad.abs().sum() > 0
    assert all(p.grad is None for p in frozen)
    discriminator.requires_grad_(False)
    discriminator.requires_grad_(True)
    assert not any(p.requires_grad for p in frozen)
    assert all(torch.equal(one, other) for one, other in zip(frozen, before, strict=True))


def test_it_stays_in_evaluation_mode_and_follows_the_weights(discriminator):
    discriminator.train()
    assert not any(m.training for part in discriminator.frozen_parts for m in part.modules())
    _, features = judged(discriminator.double(), dtype=torch.float64)
    assert all(layer.dtype == torch.float64 for scale in features for layer in scale)
    discriminator.float()


def test_the_same_tile_gets_the_same_features_from_another_copy(discriminator):
    """The fixed mixtures come from no seed of a run."""
    torch.manual_seed(5)
    other = ProjectedDiscriminator(CONFIG, 3)
    tile = torch.rand(1, 3, 32, 32)
    for one, two in zip(
        discriminator.frozen_parts[0](tile), other.frozen_parts[0](tile), strict=True
    ):
        assert torch.equal(one, two)
