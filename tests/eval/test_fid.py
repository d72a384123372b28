"""The report: value, floor, provenance and warnings."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from statistics import median

import numpy as np
import pytest
from PIL import Image

from eval import population as population_module
from eval.features import RandomExtractor
from eval.fid import compare, distance_between, open_side, real_floor
from eval.frechet import frechet_distance_from_features
from eval.images import TileArray, TileFolder
from eval.moments import Moments
from eval.population import measure
from hpc.errors import InputError
from hpc.files import sha256_of_file

EXTRACTOR = RandomExtractor(seed=0)


def tiles(count, *, seed=0, low=0, size=16):
    shape = (count, size, size, 3)
    values = np.random.default_rng(seed).integers(low, 256, size=shape, dtype=np.uint8)
    return TileArray(name=f"array {seed}", tiles_NHWC=values)


def named(result):
    return {number.name: number for number in result.numbers}


def test_a_result_says_how_it_was_made():
    result = distance_between(tiles(12), tiles(8, seed=1), EXTRACTOR, seed=3, batch_size=5)

    distance = named(result)["frechet_distance"]
    assert distance.value > 0
    assert distance.n == 8
    assert (distance.details["n_real"], distance.details["n_synthetic"]) == (12, 8)
    for number in result.numbers:
        assert number.interval is None
        assert number.details["interval_note"].startswith("no interval: ")
    assert result.settings == {
        "extractor": "random",
        "weights_sha256": EXTRACTOR.identity.weights_sha256,
        "preprocessing": EXTRACTOR.identity.preprocessing,
        "seed": 3,
        "batch_size": 5,
        "device": "cpu",
    }
    assert result.inputs["real"] == {
        "name": "array 0",
        "n": 12,
        "tile_size": (16, 16),
        "preparation": "none",
        "content": asdict(tiles(12).content()),
    }
    json.dumps(result.as_json(), allow_nan=False)


def test_every_kind_of_side_says_what_its_content_is(tmp_path):
    folder = tmp_path / "tiles"
    folder.mkdir()
    for number, tile in enumerate(tiles(4).tiles_NHWC):
        Image.fromarray(tile).save(folder / f"{number}.png")

    sides = TileFolder(folder=folder), tiles(4, seed=1)
    direct = distance_between(*sides, EXTRACTOR, save_statistics=tmp_path / "saved")
    saved = tmp_path / "saved" / "real.npz"
    again = distance_between(open_side(saved), sides[1], EXTRACTOR)

    of_folder, of_file = (result.inputs["real"]["content"] for result in (direct, again))
    assert of_folder == asdict(sides[0].content())
    assert of_file["sha256"] == sha256_of_file(saved)
    assert direct.inputs["synthetic"] == again.inputs["synthetic"]
    json.dumps(direct.as_json(), allow_nan=False)


def test_the_same_call_gives_the_same_result():
    one, other = (distance_between(tiles(8), tiles(8, seed=1), EXTRACTOR) for _ in range(2))

    assert one == other


def test_the_floor_is_the_median_distance_of_disjoint_seeded_halves():
    real = measure(tiles(11), EXTRACTOR)

    floor = real_floor(real, seed=0)

    assert floor.n == floor.details["n_per_half"] == 5
    assert len(set(floor.details["distances"])) == 5
    assert floor.value == median(floor.details["distances"])
    assert floor == real_floor(real, seed=0)
    assert floor.value != real_floor(real, seed=1).value


def test_synthetic_tiles_like_real_ones_are_near_the_floor_and_others_far_above():
    real = measure(tiles(60), EXTRACTOR)
    like, unlike = (
        measure(tiles(30, seed=1), EXTRACTOR),
        measure(tiles(30, seed=1, low=160), EXTRACTOR),
    )

    floor = named(compare(real, like))["real_versus_real_floor"].value

    assert named(compare(real, like))["frechet_distance"].value < 1.5 * floor
    assert named(compare(real, unlike))["frechet_distance"].value > 3 * floor


def test_three_tiles_have_no_floor():
    floor = real_floor(measure(tiles(3), EXTRACTOR))

    assert floor.value is None
    assert "too few to split" in floor.reason


def test_without_kept_features_there_is_no_floor(monkeypatch, tmp_path):
    result = distance_between(tiles(8), tiles(8, seed=1), EXTRACTOR, save_statistics=tmp_path)
    from_file = real_floor(open_side(tmp_path / "real.npz"))
    monkeypatch.setattr(population_module, "KEPT_NUMBERS", 1)
    folded = real_floor(measure(tiles(8), EXTRACTOR))

    assert named(result)["real_versus_real_floor"].value is not None
    assert from_file.value is None
    assert "is a statistics file" in from_file.reason
    assert folded.value is None
    assert "too many to keep" in folded.reason


def test_statistics_stand_in_for_tiles(tmp_path):
    direct = distance_between(tiles(30), tiles(20, seed=1), EXTRACTOR, save_statistics=tmp_path)
    real, synthetic = (open_side(tmp_path / f"{name}.npz") for name in ("real", "synthetic"))

    mixed = distance_between(real, tiles(20, seed=1), EXTRACTOR)
    both = distance_between(real, synthetic, None)

    expected = named(direct)["frechet_distance"].value
    assert named(mixed)["frechet_distance"].value == pytest.approx(expected, rel=1e-6)
    assert named(both)["frechet_distance"].value == pytest.approx(expected, rel=1e-6)
    assert both.settings["extractor"] == "random"
    assert both.inputs["synthetic"]["n"] == 20
    assert any("random network" in warning for warning in both.warnings)


def test_statistics_of_another_extractor_are_refused_before_any_tile_is_read(tmp_path):
    distance_between(tiles(8), tiles(8, seed=1), EXTRACTOR, save_statistics=tmp_path)

    def never(tiles_NHWC):
        raise AssertionError("a tile was measured")

    other = RandomExtractor(seed=1)
    other.__call__ = never
    with pytest.raises(InputError, match=r"synthetic\.npz and the extractor asked for.*weights"):
        distance_between(tiles(8), open_side(tmp_path / "synthetic.npz"), other)


def test_a_file_of_pytorch_fid_is_taken_on_trust_and_said_so(tmp_path):
    mean, covariance = np.zeros(EXTRACTOR.dimension), np.eye(EXTRACTOR.dimension)
    np.savez(tmp_path / "theirs.npz", mu=mean, sigma=covariance)

    result = distance_between(open_side(tmp_path / "theirs.npz"), tiles(8), EXTRACTOR)

    assert any("taken on trust" in warning for warning in result.warnings)
    assert named(result)["frechet_distance"].details["n_real"] is None


def test_statistics_of_another_dimension_are_refused(tmp_path):
    np.savez(tmp_path / "theirs.npz", mu=np.zeros(5), sigma=np.eye(5))

    with pytest.raises(InputError, match="dimension 5 cannot be compared"):
        distance_between(open_side(tmp_path / "theirs.npz"), tiles(8), EXTRACTOR)


def test_tiles_without_an_extractor_are_an_error():
    with pytest.raises(InputError, match="an extractor is needed"):
        distance_between(tiles(8), tiles(8, seed=1), None)


def test_few_tiles_and_other_sizes_are_warned_of():
    few = distance_between(tiles(8), tiles(8, seed=1, size=20), EXTRACTOR).warnings

    assert any("Fewer than 2048 tiles" in warning for warning in few)
    assert any("16x16 pixels, synthetic ones 20x20" in warning for warning in few)


def test_enough_tiles_are_not_warned_of():
    few = [measure(tiles(4, seed=seed), EXTRACTOR) for seed in (0, 1)]
    sides = [replace(side, n=2048, summary=Moments.of(side.features_ND)) for side in few]

    assert not any("Fewer than" in warning for warning in compare(*sides).warnings)


def test_a_folder_measures_as_the_same_tiles_in_memory(tmp_path):
    source = tiles(6)
    for number, tile in enumerate(source.tiles_NHWC):
        Image.fromarray(tile).save(tmp_path / f"{number}.png")

    folder = measure(open_side(tmp_path), EXTRACTOR)

    memory = measure(source, EXTRACTOR)
    assert np.array_equal(folder.features_ND, memory.features_ND)
    assert frechet_distance_from_features(folder.features_ND, memory.features_ND) < 1e-12


def test_tissue_of_another_laboratory_is_far_above_the_floor():
    data = Path(__file__).parents[2].parent / "shared" / "data"
    folders = [data / name / "tiles" for name in ("glas", "consep")]
    if not all(folder.is_dir() for folder in folders):
        pytest.skip("the tiles of GlaS and CoNSeP are not beside this clone")

    result = distance_between(*(TileFolder(folder=one, resize=32) for one in folders), EXTRACTOR)

    numbers = named(result)
    floor = numbers["real_versus_real_floor"].value
    assert numbers["frechet_distance"].value > 5 * floor
