"""Energy by frequency beside the distances."""

import numpy as np
import pytest

from eval.distances.feature_set import measure
from eval.distances.report import distance_between
from eval.distances.spectrum import extractors_of, spectrum_between, spectrum_role
from eval.extractors.random_network import RandomExtractor
from eval.features.tile_sources import TileArray
from eval.spectra.extractor import SpectrumExtractor

EXTRACTOR = RandomExtractor(seed=0)


def tiles(seed, count=12, size=64, weave=0.0):
    gray = 128 + 20 * np.random.default_rng(seed).normal(size=(count, size, size, 1))
    along = weave * np.cos(np.pi * np.arange(size) / 4)
    woven = np.clip(gray + (along[:, None] + along)[..., None], 0, 255).astype(np.uint8)
    return TileArray(name=f"tiles {seed}", tiles_NHWC=woven.repeat(3, axis=3))


def test_every_distance_of_tiles_has_it_with_its_floor():
    numbers = {n.name: n for n in distance_between(tiles(0), tiles(1, weave=9), EXTRACTOR).numbers}
    assert numbers["weave_8"].value > 5
    assert numbers["weave_8_real_versus_real_floor"].value == pytest.approx(1, abs=0.7)
    assert len(numbers["spectrum_0.10-0.15_real_versus_real_floor"].details["values"]) == 5
    # Tiles of 64 pixels hold two waves of period 32: no number, and no floor.
    assert numbers["weave_32"].value is None
    assert "weave_32_real_versus_real_floor" not in numbers


def test_floors_keep_groups_whole():
    real = measure(tiles(0, count=6), SpectrumExtractor())
    numbers = spectrum_between(real, real, groups=["a", "a", "a", "b", "b", "b"])
    floors = [number for number in numbers if number.name.endswith("floor")]
    assert floors
    assert all("groups kept whole" in floor.method for floor in floors)


def test_statistics_have_none():
    side = measure(tiles(0), EXTRACTOR)
    result = distance_between(side, tiles(1), EXTRACTOR)
    assert not [n for n in result.numbers if n.name.startswith(("spectrum", "weave"))]
    assert extractors_of("real", {"real": side, "synthetic": tiles(1)}, EXTRACTOR) == {}
    assert list(extractors_of("synthetic", {"real": side, "synthetic": tiles(1)}, EXTRACTOR)) == [
        "synthetic"
    ]
    assert spectrum_role("real") in extractors_of("real", {"real": 1, "synthetic": 2}, EXTRACTOR)
