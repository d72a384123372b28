"""A trained segmenter as an extractor."""

import numpy as np
import pytest
import torch

from eval.extractors.choice import open_extractor
from eval.segmenter.config import NetworkConfig
from eval.segmenter.model import SegmenterFacts, load_segmenter, save_segmenter
from eval.segmenter.unet import UNet
from histosyn.labels.label_map import load_schema
from hpc.errors import InputError


@pytest.fixture
def folder(tmp_path):
    schema = load_schema("prostate-3")
    torch.manual_seed(0)
    network = UNet(NetworkConfig(), len(schema))
    facts = SegmenterFacts(
        network=NetworkConfig(), schema=schema, tile_size=(32, 32), mpp=None, training={}
    )
    save_segmenter(tmp_path / "segmenter", network, facts)
    return tmp_path / "segmenter"


def test_features_are_those_of_the_segmenter(folder):
    extractor, segmenter = open_extractor(str(folder)), load_segmenter(folder)
    tiles = np.random.default_rng(0).integers(0, 256, size=(3, 32, 32, 3), dtype=np.uint8)

    found = extractor(tiles)

    scaled = torch.from_numpy(tiles).permute(0, 3, 1, 2).float() / 127.5 - 1
    assert found == pytest.approx(segmenter.features(scaled).numpy(), abs=1e-5)
    assert found.shape == (3, extractor.dimension)
    assert extractor.identity.weights_sha256 == segmenter.sha256
    assert "never with a published FID" in extractor.identity.caveat


def test_a_folder_of_something_else_is_refused(tmp_path):
    with pytest.raises(InputError, match="is no segmenter"):
        open_extractor(str(tmp_path))
