"""Tiles at four scales, in one pass."""

import numpy as np
import pytest

from eval.extractors.random_network import RandomExtractor
from eval.two_samples.scaled import NETWORK, SCALES, TEXTURE, ScaledExtractor, averaged, fits
from eval.two_samples.textures import NAMES, texture
from hpc.errors import InputError

TILES = np.random.default_rng(0).integers(0, 256, (3, 40, 70, 3), dtype=np.uint8)


def test_averaging_keeps_means_and_cuts_what_is_left_over():
    half = averaged(TILES, 4)
    assert half.shape == (3, 10, 17, 3)
    assert half[1, 2, 3, 0] == np.rint(TILES[1, 8:12, 12:16, 0].mean())
    assert np.array_equal(averaged(TILES, 1), TILES)
    with pytest.raises(InputError):
        averaged(TILES, 0)


def test_columns_are_those_of_kind_and_scale():
    extractor = RandomExtractor(seed=0)
    scaled = ScaledExtractor(extractor)
    found = scaled(TILES)
    assert found.shape == (3, scaled.dimension)
    half = averaged(TILES, 2)
    assert found[:, scaled.columns(NETWORK, 2)] == pytest.approx(extractor(half), rel=1e-5)
    assert found[1, scaled.columns(TEXTURE, 2)] == pytest.approx(texture(half[1]), rel=1e-5)
    # 40 pixels are 10 at a quarter: too few.
    assert not fits((40, 70), 4)
    assert (found[:, scaled.columns(TEXTURE, 4)] == 0).all()
    stops = [scaled.columns(kind, scale).stop for scale in SCALES for kind in (NETWORK, TEXTURE)]
    assert stops == sorted(stops)
    assert stops[-1] == scaled.dimension


def test_features_are_named_and_the_identity_says_what_they_are():
    scaled = ScaledExtractor(RandomExtractor(seed=0))
    assert scaled.names[NETWORK][1] == "feature 1"
    assert scaled.names[TEXTURE] == NAMES
    assert "averaged over 1, 2, 4, 8 pixels" in scaled.identity.preprocessing
    assert scaled.identity.weights_sha256 == RandomExtractor(seed=0).identity.weights_sha256
