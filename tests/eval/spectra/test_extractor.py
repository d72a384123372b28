"""The energies of a tile, as features."""

import numpy as np

from eval.features.extraction import extracted_features
from eval.features.tile_sources import TileArray
from eval.spectra.extractor import SpectrumExtractor
from histosyn.spectra.energies import tile_energies


def tiles(count, size, seed=0):
    shape = (count, size, size, 3)
    return np.random.default_rng(seed).integers(100, 200, size=shape, dtype=np.uint8)


def test_each_tile_has_its_own_energies_whatever_the_batch():
    extractor = SpectrumExtractor()
    several = tiles(5, 64)
    batches = TileArray(name="a", tiles_NHWC=several).batches(2)
    found = np.concatenate([features for _, features in extracted_features(extractor, batches)])
    assert found.shape == (5, extractor.dimension)
    assert np.array_equal(found, [tile_energies(tile) for tile in several])
