"""The discriminator of grain: what it sees, and that it learns what stride 2 does not."""

import torch

from histosyn.config.networks import DiscriminatorConfig
from histosyn.networks.discriminator import MultiscaleDiscriminator
from histosyn.networks.discriminator_grain import LEAST_SIDE, GrainDiscriminator

PATCH = DiscriminatorConfig(
    base_channels=4, layers=2, scales=1, grain_channels=0, pretrained="none"
)


def test_a_score_judges_few_pixels_and_none_beyond_the_border():
    discriminator = GrainDiscriminator(4, others=2)
    assert discriminator(torch.rand(1, 5, 14, 14)).shape == (1, 1, 1, 1)
    x = torch.rand(2, 5, 48, 40).requires_grad_()
    scores = discriminator(x)
    assert scores.shape == (2, 1, 18, 14)
    scores[0, 0, 6, 6].backward()
    assert not x.grad[1].any()
    rows, columns = x.grad[0].abs().sum(0).nonzero().T
    assert rows.max() - rows.min() < 16 and columns.max() - columns.min() < 16


def test_it_comes_before_the_patches_with_nothing_to_match():
    labels = torch.randint(0, 3, (2, 32, 32))
    torch.manual_seed(0)
    discriminator = MultiscaleDiscriminator(
        DiscriminatorConfig(base_channels=4, layers=2, scales=1, grain_channels=4,
                            pretrained="none"), 3,
    )  # fmt: skip
    grain, patches = discriminator(torch.rand(2, 3, 32, 32), labels)
    assert len(grain) == 1 and len(patches) > 1
    assert len(MultiscaleDiscriminator(PATCH, 3)(torch.rand(2, 3, 32, 32), labels)) == 1


def test_it_learns_to_tell_grain_by_its_strength():
    torch.manual_seed(0)
    discriminator = GrainDiscriminator(4, others=0)
    optimizer = torch.optim.Adam(discriminator.parameters(), lr=1e-2)

    def difference():
        strong, weak = (
            torch.zeros(8, 3, 24, 24) + strength * torch.randn(8, 3, 24, 24)
            for strength in (0.1, 0.05)
        )
        return discriminator(strong).mean() - discriminator(weak).mean()

    for _ in range(60):
        loss = -difference()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        assert difference() > 0.5


def test_the_smallest_tile_has_one_score():
    side = LEAST_SIDE
    assert GrainDiscriminator(4, others=0)(torch.rand(1, 3, side, side)).shape == (1, 1, 1, 1)
