from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from histosyn.config.networks import DiscriminatorConfig
from histosyn.networks.discriminator import MultiscaleDiscriminator
from histosyn.networks.discriminator_unet import UnetDiscriminator

CONFIG = DiscriminatorConfig(base_channels=4, layers=3, scales=2, grain_channels=0)


def network() -> MultiscaleDiscriminator:
    torch.manual_seed(0)
    return MultiscaleDiscriminator(CONFIG, 4).eval()


def test_features_and_patch_scores_of_each_scale() -> None:
    features = network()(torch.rand(2, 3, 64, 48) * 2 - 1, torch.randint(0, 4, (2, 64, 48)))
    assert len(features) == CONFIG.scales
    assert [len(scale) for scale in features] == [CONFIG.layers + 1] * CONFIG.scales
    for scale in features:
        assert [layer.shape[1] for layer in scale] == [4, 8, 16, 1]
        assert all(layer.shape[0] == 2 for layer in scale)
    fine, coarse = (scale[-1].shape for scale in features)
    assert fine[2] > coarse[2] > 1


def test_sees_the_label_map() -> None:
    tiles, labels = torch.zeros(1, 3, 32, 32), torch.zeros(1, 32, 32, dtype=torch.long)
    with torch.no_grad():
        scores = [network()(tiles, labels + shift)[0][-1] for shift in (0, 1)]
    assert not torch.equal(*scores)


def test_a_sample_is_judged_alone() -> None:
    """No statistics over the batch: real and synthetic tiles may share a forward."""
    tiles, labels = torch.rand(3, 3, 32, 32), torch.randint(0, 4, (3, 32, 32))
    with torch.no_grad():
        together = network()(tiles, labels)
        alone = network()(tiles[1:2], labels[1:2])
    for scale, one in zip(together, alone, strict=True):
        for layer, single in zip(scale, one, strict=True):
            torch.testing.assert_close(layer[1:2], single)


def test_without_labels_it_looks_at_the_tile_alone() -> None:
    torch.manual_seed(0)
    blind = MultiscaleDiscriminator(replace(CONFIG, sees_labels=False), 4).eval()
    tiles, labels = torch.rand(1, 3, 32, 32), torch.zeros(1, 32, 32, dtype=torch.long)
    with torch.no_grad():
        scores = [blind(tiles, labels + shift)[0][-1] for shift in (0, 1)]
    assert torch.equal(*scores)


UNET = DiscriminatorConfig(kind="unet", base_channels=4, layers=3)


def unet() -> UnetDiscriminator:
    torch.manual_seed(0)
    return UnetDiscriminator(UNET, 4).eval()


@pytest.mark.parametrize("size", [(32, 48), (33, 47), (8, 9)])
def test_logits_of_each_pixel_whatever_the_size(size: tuple[int, int]) -> None:
    ((logits,),) = unet()(torch.rand(2, 3, *size), torch.zeros(2, *size, dtype=torch.long))
    assert logits.shape == (2, 5, *size)


def test_logits_of_a_pixel_see_its_surroundings_and_fine_detail() -> None:
    tiles = torch.rand(1, 3, 32, 32, requires_grad=True)
    ((logits,),) = unet()(tiles, torch.zeros(1, 32, 32, dtype=torch.long))
    for row, column in ((16, 16), (17, 16), (16, 17)):
        (gradient,) = torch.autograd.grad(logits[0, 0, row, column], tiles, retain_graph=True)
        reach = gradient.abs().sum(dim=(0, 1))
        assert reach[row, column] > 0
        assert reach[0].sum() > 0 and reach[:, -1].sum() > 0
    neighbours = logits[0, :, 16, 16], logits[0, :, 16, 17]
    assert not torch.allclose(*neighbours)


def test_a_tile_is_told_apart_alone() -> None:
    tiles, labels = torch.rand(3, 3, 32, 32), torch.zeros(3, 32, 32, dtype=torch.long)
    with torch.no_grad():
        ((together,),), ((alone,),) = unet()(tiles, labels), unet()(tiles[1:2], labels[1:2])
    torch.testing.assert_close(together[1:2], alone)
