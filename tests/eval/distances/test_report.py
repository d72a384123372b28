"""The report: value, floor, provenance and warnings."""

import hashlib
import json
from dataclasses import asdict, replace
from pathlib import Path
from statistics import median

import numpy as np
import pytest
from PIL import Image
from tissue import SCHEMA, write_folders

from eval.distances import feature_set as feature_set_module
from eval.distances import measures as distances_module
from eval.distances.feature_set import measure
from eval.distances.frechet import frechet_distance_from_features
from eval.distances.measures import halves
from eval.distances.moments import Moments
from eval.distances.report import (
    Grouping,
    Settings,
    compare,
    distance_between,
    open_side,
    real_floor,
)
from eval.extractors.random_network import RandomExtractor
from eval.features.tile_sources import TileArray, TileFolder
from histosyn.packing.pack import PackConfig, pack
from hpc.errors import DatasetError, InputError
from hpc.files import sha256_of_file

EXTRACTOR = RandomExtractor(seed=0)


def tiles(count, *, seed=0, low=0, size=16):
    shape = (count, size, size, 3)
    values = np.random.default_rng(seed).integers(low, 256, size=shape, dtype=np.uint8)
    return TileArray(name=f"array {seed}", tiles_NHWC=values)


def named(result):
    return {number.name: number for number in result.numbers}


def test_a_result_says_how_it_was_made():
    settings = Settings(seed=3, batch_size=5)
    result = distance_between(tiles(12), tiles(8, seed=1), EXTRACTOR, settings)

    distance = named(result)["frechet_distance"]
    assert distance.value > 0
    assert distance.n == 8
    assert (distance.details["n_real"], distance.details["n_synthetic"]) == (12, 8)
    for number in result.numbers:
        if number.value is None:
            assert number.reason
        elif number.name.endswith("floor"):
            assert number.details["interval_note"].startswith("no interval: ")
        else:
            low, high = number.interval
            assert low <= number.value <= high
            assert number.interval_level == 0.95
            assert number.interval_method
    assert result.settings == {
        "extractor": "random",
        "weights_sha256": EXTRACTOR.identity.weights_sha256,
        "preprocessing": EXTRACTOR.identity.preprocessing,
        "groups": None,
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
        "bad_tiles": [],
    }
    json.dumps(result.as_json(), allow_nan=False)


def test_every_kind_of_side_says_what_its_content_is(tmp_path):
    folder = tmp_path / "tiles"
    folder.mkdir()
    for number, tile in enumerate(tiles(4).tiles_NHWC):
        Image.fromarray(tile).save(folder / f"{number}.png")

    sides = TileFolder(folder=folder), tiles(4, seed=1)
    direct = distance_between(*sides, EXTRACTOR, Settings(save_statistics=tmp_path / "saved"))
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
    assert len(set(floor.details["values"])) == 5
    assert floor.value == median(floor.details["values"])
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


def test_a_statistics_file_has_no_floor_and_only_the_frechet_distance(tmp_path):
    settings = Settings(save_statistics=tmp_path)
    distance_between(tiles(12), tiles(12, seed=1), EXTRACTOR, settings)

    result = distance_between(open_side(tmp_path / "real.npz"), tiles(12, seed=1), EXTRACTOR)

    numbers = named(result)
    assert numbers.pop("frechet_distance").interval is None
    assert len(numbers) == 11
    for number in numbers.values():
        assert number.value is None
        assert "real.npz is a statistics file" in number.reason


def test_of_too_many_tiles_the_features_of_some_are_kept(monkeypatch):
    sides = tiles(60), tiles(50, seed=1)
    expected = named(distance_between(*sides, EXTRACTOR))
    monkeypatch.setattr(feature_set_module, "KEPT_NUMBERS", 40 * EXTRACTOR.dimension)

    found = named(distance_between(*sides, EXTRACTOR))

    distance = found["frechet_distance"]
    assert distance.value == pytest.approx(expected["frechet_distance"].value, rel=1e-6)
    assert distance.interval is None
    assert (distance.n, found["kid"].n) == (50, 40)
    # The tiles are too small for these.
    spectra = ("spectrum", "weave")
    assert all(
        number.value is not None or name.startswith(spectra) for name, number in found.items()
    )


def test_a_half_has_whole_groups():
    groups = np.repeat(["a", "b", "c", "d", "e"], [9, 2, 3, 4, 2]).tolist()
    features_ND = np.arange(20.0)[:, None]

    for key in range(20):
        one, other = halves(features_ND, groups, key)
        of_one, of_other = ({groups[int(row)] for row in half[:, 0]} for half in (one, other))
        assert len(one) + len(other) == 20
        assert not of_one & of_other
        assert 8 <= len(one) <= 12


def test_two_groups_of_which_one_is_small_have_no_floor_of_neighbours():
    real = measure(tiles(12), EXTRACTOR)

    numbers = named(compare(real, real, groups=["a"] * 3 + ["b"] * 9))

    assert numbers["real_versus_real_floor"].value is not None
    assert numbers["precision_real_versus_real_floor"].value is None
    assert "groups cannot be parted" in numbers["precision_real_versus_real_floor"].reason


def test_the_floor_of_patients_lies_above_that_of_tiles(tmp_path):
    """Tiles of one patient are alike, so halves that share patients are too."""
    rows = ["tile,patient"]
    for number, tile in enumerate(tiles(40).tiles_NHWC):
        patient = number // 5
        Image.fromarray(tile // 2 + 10 * patient).save(tmp_path / f"{number}.png")
        rows.append(f"{number},p{patient}")
    (tmp_path / "patients.csv").write_text("\n".join(rows))
    side = open_side(tmp_path)
    grouping = Grouping(file=tmp_path / "patients.csv")

    by_tile = distance_between(side, side, EXTRACTOR)
    by_patient = distance_between(side, side, EXTRACTOR, Settings(grouping=grouping))

    assert by_patient.settings["groups"] == 8
    digest = hashlib.sha256((tmp_path / "patients.csv").read_bytes()).hexdigest()
    assert by_patient.settings["groups_sha256"] == digest
    for name in ("real_versus_real_floor", "kid_real_versus_real_floor"):
        assert named(by_patient)[name].value > 2 * named(by_tile)[name].value


def test_groups_of_what_has_no_tiles_are_refused():
    settings = Settings(grouping=Grouping(file=Path("patients.csv")))
    with pytest.raises(InputError, match="no folder of tiles.*--groups out"):
        distance_between(tiles(12), tiles(12), EXTRACTOR, settings)


@pytest.mark.parametrize("grouped", [True, False])
def test_shards_know_their_groups(tmp_path, grouped):
    folders = write_folders(tmp_path / "source", 12, 32)
    rows = [f"tile-{number:02d},p{number // 3}" for number in range(12)]
    (tmp_path / "patients.csv").write_text("\n".join(["tile,patient", *rows]))
    config = PackConfig(groups=tmp_path / "patients.csv" if grouped else None)
    pack(*folders, tmp_path / "packed", SCHEMA, config)
    side = open_side(tmp_path / "packed" / "train")

    result = distance_between(side, tiles(12, size=32), EXTRACTOR)

    assert result.settings["groups"] == (4 if grouped else 12)
    assert any("Intervals take tiles as independent" in text for text in result.warnings)


def test_few_tiles_leave_numbers_undefined_with_a_reason():
    numbers = named(distance_between(tiles(5), tiles(9, seed=1), EXTRACTOR))

    assert numbers["kid"].value is not None
    for name in ("precision", "recall", "density", "coverage"):
        assert numbers[name].value is None
        assert "6 tiles a side are needed" in numbers[name].reason


def test_kid_is_also_told_as_mean_of_subsets(monkeypatch):
    monkeypatch.setattr(distances_module, "_SUBSET_SIZE", 10)

    kid = named(distance_between(tiles(30), tiles(25, seed=1), EXTRACTOR))["kid"]

    subsets = kid.details["subsets"]
    assert (subsets["count"], subsets["size"]) == (100, 10)
    error = subsets["standard_deviation"] / 10
    assert subsets["mean"] == pytest.approx(kid.value, abs=5 * error)


def test_of_very_many_tiles_some_are_paired(monkeypatch):
    for name in ("KERNEL", "PRECISION_RECALL"):
        smaller = replace(getattr(distances_module, name), most=20)
        monkeypatch.setattr(distances_module, name, smaller)
    monkeypatch.setattr(distances_module, "MOST_PAIRED", 20)

    numbers = named(distance_between(tiles(45), tiles(30, seed=1), EXTRACTOR))

    assert numbers["frechet_distance"].n == 30
    assert numbers["kid"].n == numbers["precision"].n == 20
    assert numbers["kid_real_versus_real_floor"].n == 20
    assert numbers["real_versus_real_floor"].n == 22


class NotFinite:
    identity, dimension = EXTRACTOR.identity, EXTRACTOR.dimension
    device = EXTRACTOR.device

    def __call__(self, tiles_NHWC):
        features_ND = EXTRACTOR(tiles_NHWC)
        features_ND[tiles_NHWC[:, 0, 0, 0] == 7] = np.nan
        return features_ND


def test_a_tile_whose_features_are_not_finite_is_named(tmp_path):
    for number in range(5):
        Image.new("RGB", (16, 16), (number + 4, 0, 0)).save(tmp_path / f"{number}.png")

    with pytest.raises(InputError, match=r"features of 3\.png that are not finite"):
        distance_between(open_side(tmp_path), tiles(8), NotFinite())


def test_skipped_tiles_are_counted_and_named(tmp_path):
    for number, tile in enumerate(tiles(12).tiles_NHWC):
        Image.fromarray(tile).save(tmp_path / f"{number:02d}.png")
    (tmp_path / "03.png").write_bytes(b"damaged")

    result = distance_between(open_side(tmp_path, on_bad_tile="skip"), tiles(12), EXTRACTOR)

    assert result.inputs["real"]["n"] == named(result)["frechet_distance"].n == 11
    assert ["03.png" in message for message in result.inputs["real"]["bad_tiles"]] == [True]
    assert any("1 tiles of" in warning and "03.png" in warning for warning in result.warnings)


def test_a_folder_of_nothing_but_damaged_tiles_is_an_error(tmp_path):
    (tmp_path / "a.png").write_bytes(b"damaged")

    with pytest.raises(DatasetError, match="No tile of"):
        distance_between(open_side(tmp_path, on_bad_tile="skip"), tiles(12), EXTRACTOR)


def test_statistics_stand_in_for_tiles(tmp_path):
    direct = distance_between(
        tiles(30), tiles(20, seed=1), EXTRACTOR, Settings(save_statistics=tmp_path)
    )
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
    distance_between(tiles(8), tiles(8, seed=1), EXTRACTOR, Settings(save_statistics=tmp_path))

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
    data = Path(__file__).parents[3].parent / "shared" / "data"
    folders = [data / name / "tiles" for name in ("glas", "consep")]
    if not all(folder.is_dir() for folder in folders):
        pytest.skip("the tiles of GlaS and CoNSeP are not beside this clone")

    result = distance_between(*(TileFolder(folder=one, resize=32) for one in folders), EXTRACTOR)

    numbers = named(result)
    floor = numbers["real_versus_real_floor"].value
    assert numbers["frechet_distance"].value > 5 * floor


def test_jpeg_on_one_side_only_is_told_beside_the_distance(tmp_path):
    random = np.random.default_rng(0)
    for role, suffix in (("real", "jpg"), ("synthetic", "png")):
        (tmp_path / role).mkdir()
        for number in range(12):
            noise = Image.fromarray(random.integers(90, 220, (48, 48, 3), dtype=np.uint8))
            noise.save(tmp_path / role / f"{number:02d}.{suffix}")
    sides = [open_side(tmp_path / role) for role in ("real", "synthetic")]
    result = distance_between(*sides, EXTRACTOR)
    assert sum("traces of JPEG in 100% of real tiles" in text for text in result.warnings) == 1
    assert result.as_json()["tables"]["file_history"]["jpeg_share"] == {"real": 1, "synthetic": 0}
    alike = distance_between(sides[1], sides[1], EXTRACTOR)
    assert not any("JPEG" in text for text in alike.warnings)
