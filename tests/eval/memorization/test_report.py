"""Planted copies are found, however they are turned; tissue of its own is not taken for one."""

import numpy as np
import pytest
from PIL import Image

from eval.distances.report import Grouping
from eval.extractors.random_network import RandomExtractor
from eval.features.tile_sources import open_tiles
from eval.memorization.report import Settings, memorization, sentence_of
from eval.memorization.sheet import draw_sheet
from hpc.errors import InputError

EXTRACTOR = RandomExtractor(seed=0)


def tissue(random, size=32):
    coarse = random.normal(150, 40, (4, 4, 3))
    tile = np.kron(coarse, np.ones((size // 4, size // 4, 1))) + random.normal(
        0, 5, (size, size, 3)
    )
    return np.clip(tile, 0, 255).astype(np.uint8)


def write(folder, seed, count=12):
    folder.mkdir()
    random = np.random.default_rng(seed)
    for number in range(count):
        Image.fromarray(tissue(random)).save(folder / f"{folder.name}-{number:02d}.png")
    return folder


@pytest.fixture
def folders(tmp_path):
    return [write(tmp_path / name, seed) for seed, name in enumerate(("train", "synth", "held"))]


def measured(folders, **settings):
    return memorization(*map(open_tiles, folders), EXTRACTOR, Settings(**settings))


def named(result):
    return {number.name: number for number in result.numbers}


def test_a_planted_copy_that_was_turned_and_touched_up_is_the_closest_pair(folders):
    train, synth, _ = folders
    copy = np.asarray(Image.open(train / "train-05.png")).astype(int)
    noise = np.random.default_rng(9).integers(-3, 4, copy.shape)
    changed = np.clip(np.rot90(copy + noise)[:, ::-1], 0, 255).astype(np.uint8)
    Image.fromarray(changed).save(synth / "copy.png")

    result = measured(folders)
    for space in ("features", "pixels"):
        first = result.tables["closest"][space]["synthetic"][0]
        assert (first["tile"], first["training_tile"]) == ("copy.png", "train-05.png")
        number = named(result)[f"nearer_than_all_{space}"]
        assert number.details["count"] >= 1
        assert number.value == pytest.approx(number.details["count"] / 13)
        assert number.interval[0] < number.value < number.interval[1]
        assert first["distance"] < number.details["limit"] / 4
    assert sentence_of(result.numbers).startswith("Of 13 synthetic tiles ")


def test_tissue_of_its_own_is_as_far_as_held_out_tissue(folders):
    for name, number in named(measured(folders)).items():
        if name.startswith("distance_ratio"):
            assert number.interval[0] < 1 < number.interval[1]


def test_a_generator_that_repeats_its_training_set_has_a_ratio_near_zero(folders):
    train, _, held = folders
    result = measured([train, train, held])
    assert named(result)["distance_ratio_pixels"].value is None
    assert "all synthetic tiles are copies" in named(result)["distance_ratio_pixels"].reason
    assert named(result)["nearer_than_all_features"].value == 1


def test_held_out_tiles_that_were_trained_on_are_refused(folders):
    train, synth, held = folders
    tile = Image.open(train / "train-03.png")
    tile.save(held / "same.png")
    with pytest.raises(InputError, match=r"same.png of .* is train-03.png of"):
        measured([train, synth, held])


def test_glass_is_no_copy(folders):
    for folder in folders:
        Image.new("RGB", (32, 32), (245, 245, 245)).save(folder / "glass.png")
    result = measured(folders)
    assert "next to nothing were left out: 1 training, 1 synthetic, 1 held-out" in " ".join(
        result.warnings
    )
    assert named(result)["nearer_than_all_pixels"].n == 12


def test_patients_are_kept_whole_and_shared_ones_are_told(folders, tmp_path):
    rows = [f"{name}-{n:02d}.png,p{n // 3 + (2 if name == 'held' else 0)}"
            for name in ("train", "held") for n in range(12)]  # fmt: skip
    table = tmp_path / "patients.csv"
    table.write_text("\n".join(["tile,patient", *rows, ""]))
    result = measured(folders, grouping=Grouping(file=table))
    assert result.settings["groups"] == 4
    assert named(result)["distance_ratio_pixels"].details["groups"]["real"] == 4
    assert any("2 patients have training and held-out tiles" in text for text in result.warnings)


def test_other_sizes_and_nothing_but_glass_are_one_message(folders, tmp_path):
    wide = tmp_path / "wide"
    wide.mkdir()
    Image.new("RGB", (40, 32)).save(wide / "a.png")
    with pytest.raises(InputError, match="square and others are not"):
        measured([folders[0], wide, folders[2]])
    blank = tmp_path / "blank"
    blank.mkdir()
    Image.new("RGB", (32, 32), "white").save(blank / "a.png")
    with pytest.raises(InputError, match="blank has 0 tiles that show tissue"):
        measured([folders[0], blank, folders[2]])


def test_the_sheet_shows_the_pairs(folders):
    result = measured(folders)
    read = {
        role: lambda name, folder=folder: np.asarray(Image.open(folder / name))
        for role, folder in zip(("training", "synthetic", "held_out"), folders, strict=True)
    }
    page = np.asarray(draw_sheet(result.tables["closest"], read))
    pair = result.tables["closest"]["features"]["synthetic"][0]
    from eval.memorization.neighbours import turned

    shown = page[30 : 30 + 128, 8 : 8 + 128]
    expected = turned(read["synthetic"](pair["tile"]), pair["symmetry"])
    assert np.array_equal(shown[::4, ::4], expected)
