from __future__ import annotations

import torch

from histosyn.config import DiscriminatorConfig
from histosyn.networks.discriminator import MultiscaleDiscriminator

CONFIG = DiscriminatorConfig(base_channels=4, layers=3, scales=2)


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
