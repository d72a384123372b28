"""Populations: what is kept of many tiles, and which may be compared."""

from dataclasses import replace

import numpy as np
import pytest

from eval.distances import feature_set as feature_set_module
from eval.distances.feature_set import distance, measure
from eval.distances.moments import Moments
from eval.extractors.random_network import RandomExtractor
from eval.features.tile_sources import TileArray
from hpc.errors import InputError

EXTRACTOR = RandomExtractor(seed=0)


def tiles(count, seed):
    shape = (count, 16, 16, 3)
    values = np.random.default_rng(seed).integers(0, 256, size=shape, dtype=np.uint8)
    return TileArray(name=f"array {seed}", tiles_NHWC=values)


def test_the_value_does_not_depend_on_the_batch_size():
    values = [
        distance(
            measure(tiles(11, 0), EXTRACTOR, batch_size=size),
            measure(tiles(9, 1), EXTRACTOR, batch_size=size),
        )
        for size in (1, 4, 32)
    ]

    assert values[0] > 0
    assert values[1:] == pytest.approx([values[0]] * 2, rel=1e-9)


def test_a_population_has_no_distance_to_itself():
    one = measure(tiles(10, 0), EXTRACTOR)

    assert distance(one, measure(tiles(10, 0), EXTRACTOR, batch_size=3)) < 1e-9


@pytest.mark.parametrize("waiting", [1, 4096])
def test_too_many_features_become_moments_and_the_value_stays(monkeypatch, waiting):
    kept = measure(tiles(40, 0), EXTRACTOR), measure(tiles(30, 1), EXTRACTOR)
    monkeypatch.setattr(feature_set_module, "KEPT_NUMBERS", 13 * EXTRACTOR.dimension)
    monkeypatch.setattr(feature_set_module, "_WAITING_TILES", waiting)

    folded = [
        measure(tiles(count, seed), EXTRACTOR, batch_size=4) for count, seed in ((40, 0), (30, 1))
    ]

    assert all(isinstance(one.summary, Moments) for one in folded)
    assert [one.n for one in folded] == [one.summary.n for one in folded] == [40, 30]
    assert [len(one.features_ND) for one in folded] == [13, 13]
    assert distance(*folded) == pytest.approx(distance(*kept), rel=1e-6)
    assert distance(kept[0], folded[1]) == pytest.approx(distance(*kept), rel=1e-6)


def test_which_features_are_kept_depends_on_the_number_of_tiles_alone(monkeypatch):
    whole = measure(tiles(40, 0), EXTRACTOR)
    monkeypatch.setattr(feature_set_module, "KEPT_NUMBERS", 13 * EXTRACTOR.dimension)

    some = [measure(tiles(40, 0), EXTRACTOR, batch_size=size) for size in (3, 40)]

    assert some[0].tile_names == some[1].tile_names
    rows = [int(name.removeprefix("tile ")) for name in some[0].tile_names]
    assert rows == sorted(set(rows))
    assert some[0].features_ND == pytest.approx(whole.features_ND[rows])


def test_features_of_different_networks_are_not_compared():
    other = measure(tiles(3, 0), RandomExtractor(seed=1))

    with pytest.raises(InputError, match="array 0 and array 1 cannot be compared: weights"):
        distance(other, measure(tiles(3, 1), EXTRACTOR))


def test_a_side_of_a_single_tile_is_named():
    with pytest.raises(InputError, match="at least 2 images a side, array 1 has 1"):
        distance(measure(tiles(3, 0), EXTRACTOR), measure(tiles(1, 1), EXTRACTOR))


def test_an_unknown_extractor_is_taken_to_fit():
    one, other = measure(tiles(3, 0), EXTRACTOR), measure(tiles(3, 1), EXTRACTOR)

    assert distance(replace(one, identity=None), other) == distance(one, other)


def test_progress_is_silent_unless_named(monkeypatch):
    shown = []

    def track(items, *, total, what):
        shown.append((what, total))
        return items

    monkeypatch.setattr(feature_set_module, "track", track)

    measure(tiles(5, 0), EXTRACTOR, batch_size=2)
    assert shown == []
    measure(tiles(5, 0), EXTRACTOR, batch_size=2, progress="real")
    assert shown == [("real", 3)]
