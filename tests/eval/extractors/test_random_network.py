"""The random extractor: keyed by its seed, indifferent to batches, not blind."""

import numpy as np
import pytest

from eval.distances.frechet import frechet_distance_from_features
from eval.extractors.choice import open_extractor
from eval.extractors.random_network import RandomExtractor
from hpc.errors import InputError


def tissue(count=96, size=32, seed=0):
    """Pinkish tiles with blobs of random darkness, uint8 (N, H, W, 3)."""
    rng = np.random.default_rng(seed)
    coarse = rng.normal(size=(count, size // 4, size // 4, 1)).repeat(4, axis=1).repeat(4, axis=2)
    tiles = np.array([200, 140, 190]) + 10 * coarse + 10 * rng.normal(size=(count, size, size, 3))
    return tiles.clip(0, 255).astype(np.uint8)


def blurred(tiles):
    return np.mean(
        [np.roll(tiles, (dy, dx), axis=(1, 2)) for dy in (-1, 0, 1) for dx in (-1, 0, 1)], axis=0
    ).astype(np.uint8)


def test_the_same_seed_gives_the_same_features():
    one, other = RandomExtractor(seed=4), RandomExtractor(seed=4)

    assert one.identity == other.identity
    assert np.array_equal(one(tissue(3)), other(tissue(3)))


def test_the_network_of_a_seed_is_the_same_on_every_machine():
    assert RandomExtractor(seed=0).identity.weights_sha256.startswith("c44fdaa363ab0275")


def test_another_seed_is_another_network():
    one, other = RandomExtractor(seed=4), RandomExtractor(seed=5)

    assert one.identity.weights_sha256 != other.identity.weights_sha256
    assert not np.allclose(one(tissue(3)), other(tissue(3)))


def test_features_do_not_depend_on_the_batch():
    extractor, tiles = RandomExtractor(seed=0), tissue(7)

    one_by_one = np.concatenate([extractor(tile[None]) for tile in tiles])

    assert one_by_one.shape == (7, extractor.dimension)
    assert extractor(tiles) == pytest.approx(one_by_one, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(blurred, id="blur"),
        pytest.param(lambda tiles: tiles[..., [1, 0, 2]], id="red and green swapped"),
        pytest.param(lambda tiles: (tiles * 0.95).astype(np.uint8), id="darker"),
        pytest.param(
            lambda tiles: tiles.mean(axis=-1, keepdims=True).repeat(3, -1).astype(np.uint8),
            id="gray",
        ),
    ],
)
def test_it_sees_texture_and_colour(change):
    extractor = RandomExtractor(seed=0)
    real = extractor(tissue(seed=0))
    floor = frechet_distance_from_features(real, extractor(tissue(seed=1)))

    changed = frechet_distance_from_features(real, extractor(change(tissue(seed=1))))

    assert changed > 2 * floor


def test_tiles_that_are_too_small_are_refused():
    with pytest.raises(InputError, match="15x40 pixels are too small"):
        RandomExtractor(seed=0)(np.zeros((1, 40, 15, 3), np.uint8))


def test_a_random_network_says_what_it_is_not():
    assert "never with a published FID" in open_extractor("random").identity.caveat


def test_an_unknown_name_is_refused():
    with pytest.raises(
        InputError,
        match="inception, inception-clean, efficientnet-lite0, efficientnet-lite2, random, a file",
    ):
        open_extractor("vgg")
