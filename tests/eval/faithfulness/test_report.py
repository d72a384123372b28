"""What is said of synthetic tiles: right where it can be known, and plain about what is missing."""

import json
from dataclasses import replace

import numpy as np
import pytest
from colour_segmenter import by_name, colour_segmenter
from PIL import Image
from tissue import SCHEMA, blobs, pack_blobs, write_folders

from eval.faithfulness.report import Settings, faithfulness
from eval.segmenter.confusion import confusions_of_tiles
from eval.segmenter.labelled_tiles import FolderLabels, ShardLabels, ShardTiles, SyntheticTiles
from histosyn.images.tiles import png_bytes
from histosyn.labels.label_map import label_png_bytes
from histosyn.packing.pack import PackConfig, pack
from hpc.errors import DatasetError, InputError

SETTINGS = Settings(replicates=200)


@pytest.fixture
def folders(tmp_path):
    return write_folders(tmp_path, count=6)


def synthetic(tiles, labels, **options):
    return SyntheticTiles(tiles, FolderLabels(labels, SCHEMA, options.pop("groups", None)))


def save(path, pixels):
    path.write_bytes(png_bytes(Image.fromarray(pixels)))


def test_tiles_that_show_what_was_asked_for_score_one(folders):
    result = faithfulness(colour_segmenter(), synthetic(*folders), None, SETTINGS)
    assert by_name(result, "mean_dice").value == 1.0
    assert any("--real" in warning for warning in result.warnings)
    json.dumps(result.as_json(), allow_nan=False)


def test_replicates_that_are_all_alike_claim_no_certainty(folders):
    """Every tile is read without a fault: that is six tiles' luck, not a faultless generator's."""
    number = by_name(
        faithfulness(colour_segmenter(), synthetic(*folders), None, SETTINGS), "pixel_accuracy"
    )
    assert number.value == 1.0
    assert (number.interval, number.interval_level, number.interval_method) == (None, None, None)
    assert number.details["interval_note"] == "all replicates alike, so no interval"
    assert number.details["replicates"] == 200


def test_fewer_than_fifty_are_told_of_on_either_side(folders, tmp_path):
    real = ShardTiles(pack_blobs(tmp_path / "real", count=8))
    told = faithfulness(colour_segmenter(), synthetic(*folders), real, SETTINGS).warnings
    narrow = "tiles: intervals from fewer than 50"
    assert f"Synthetic {narrow} label maps (6) tend to be too narrow." in told
    assert f"Real {narrow} groups (8) tend to be too narrow." in told


def test_tiles_of_other_label_maps_score_little(folders, tmp_path):
    tiles, labels = folders
    shifted = tmp_path / "shifted"
    shifted.mkdir()
    names = sorted(path.name for path in tiles.iterdir())
    for name, other in zip(names, [*names[1:], names[0]], strict=True):
        (shifted / name).write_bytes((tiles / other).read_bytes())
    result = faithfulness(colour_segmenter(), synthetic(shifted, labels), None, SETTINGS)
    number = by_name(result, "mean_dice")
    assert number.value < 0.5
    assert number.interval[0] < number.value < number.interval[1]
    assert number.interval_method == "percentile bootstrap over 6 label maps"
    assert number.details["interval_note"] is None


def test_the_confusion_counts_every_pixel(folders):
    result = faithfulness(colour_segmenter(), synthetic(*folders), None, SETTINGS)
    confusion = np.array(result.tables["confusion"]["synthetic"])
    assert confusion.sum() == 6 * 64 * 64
    assert (confusion == np.diag(np.diag(confusion))).all()


def test_beside_real_tiles_the_difference_is_told(folders, tmp_path):
    real = ShardTiles(pack_blobs(tmp_path / "real", count=6))
    result = faithfulness(colour_segmenter(), synthetic(*folders), real, SETTINGS)
    difference = by_name(result, "mean_dice", side="synthetic - real")
    assert difference.value == 0
    assert "difference" in difference.method
    assert result.inputs["real"]["tiles"] == 6


def test_a_class_that_is_nowhere_is_none_and_says_why(tmp_path):
    tiles, labels = tmp_path / "tiles", tmp_path / "labels"
    for folder in (tiles, labels):
        folder.mkdir()
    values = np.zeros((16, 16), np.uint8)
    save(tiles / "a.png", SCHEMA.palette[values])
    (labels / "a.png").write_bytes(label_png_bytes(values, SCHEMA))
    result = faithfulness(colour_segmenter(), synthetic(tiles, labels), None, SETTINGS)
    absent = by_name(result, "dice", of_class="nuclei")
    assert absent.value is None
    assert "neither" in absent.reason
    background = by_name(result, "dice", of_class="background")
    assert background.interval is None
    assert background.details["interval_note"] == "no interval from a single label map"


def faulty(tiles):
    """The first tile shows other tissue than was asked for, so that not all resamples are alike."""
    save(tiles / "tile-00.png", blobs(77, 64)[0])


def variants_of(folders, tmp_path, count=2):
    tiles, _ = folders
    faulty(tiles)
    made = tmp_path / "made"
    made.mkdir()
    for path in tiles.iterdir():
        for variant in range(1, count + 1):
            (made / f"{path.stem}.v{variant}.png").write_bytes(path.read_bytes())
    return made


def test_variants_belong_to_one_label_map(folders, tmp_path):
    source = synthetic(variants_of(folders, tmp_path), folders[1])
    result = faithfulness(colour_segmenter(), source, None, SETTINGS)
    assert result.inputs["synthetic"]["tiles"] == 12
    assert "6 label maps" in by_name(result, "mean_dice").interval_method


def test_groups_of_a_csv_are_drawn(folders, tmp_path):
    lines = [f"{path.stem},{'ab'[i % 2]}" for i, path in enumerate(sorted(folders[1].iterdir()))]
    (tmp_path / "groups.csv").write_text("tile,patient\n" + "\n".join(lines))
    faulty(folders[0])
    source = synthetic(*folders, groups=tmp_path / "groups.csv")
    result = faithfulness(colour_segmenter(), source, None, SETTINGS)
    assert "2 groups" in by_name(result, "mean_dice").interval_method
    assert set(result.inputs["synthetic"]["content"]) == {"tiles", "labels", "groups"}
    assert result.inputs["synthetic"]["units"] == ["a", "b"]


def test_a_csv_that_leaves_out_a_label_map_is_an_error(folders, tmp_path):
    (tmp_path / "groups.csv").write_text("tile,patient\ntile-00,a\n")
    with pytest.raises(DatasetError, match="says nothing of tile-01"):
        synthetic(*folders, groups=tmp_path / "groups.csv")


def grouped_shards(tmp_path, folders):
    lines = [f"{path.stem},{'ab'[i % 2]}" for i, path in enumerate(sorted(folders[1].iterdir()))]
    (tmp_path / "groups.csv").write_text("tile,patient\n" + "\n".join(lines))
    config = PackConfig(groups=tmp_path / "groups.csv")
    pack(*folders, tmp_path / "packed", SCHEMA, config)
    return tmp_path / "packed/train"


def test_label_maps_of_shards_know_their_patients(folders, tmp_path):
    """Tiles made from files that tar took out of the shards are called KEY.label.png."""
    faulty(folders[0])
    shards = grouped_shards(tmp_path, folders)
    labels = ShardLabels(shards)
    made = tmp_path / "made"
    made.mkdir()
    keys = labels.names()
    source = ShardTiles(shards)
    for row in range(len(source)):
        save(made / f"{source.label_key(row)}.label.png", SCHEMA.palette[source.read(row)[1]])
    result = faithfulness(
        colour_segmenter(), SyntheticTiles(made, labels), ShardTiles(shards), SETTINGS
    )
    assert len(keys) == 6
    assert by_name(result, "mean_dice").value == 1.0
    difference = by_name(result, "mean_dice", side="synthetic - real")
    assert "2 groups, drawn together" in difference.interval_method


def test_the_same_patients_are_drawn_for_both_sides(folders, tmp_path):
    """Both sides hold the same tiles: their difference has no width, each side's score has."""
    shards = grouped_shards(tmp_path, folders)
    tiles, labels = folders
    for number, path in enumerate(sorted(tiles.iterdir())):
        tile, _ = blobs(number + 50, 64)
        if number % 3 == 0:
            save(path, tile)
    shards = pack_again(tmp_path, folders)
    source = synthetic(tiles, labels, groups=tmp_path / "groups.csv")
    result = faithfulness(colour_segmenter(), source, ShardTiles(shards), SETTINGS)
    low, high = by_name(result, "mean_dice").interval
    assert low < high
    difference = by_name(result, "mean_dice", side="synthetic - real")
    assert (difference.value, difference.interval) == (0, None)
    assert difference.details["interval_note"] == "all replicates alike, so no interval"


def pack_again(tmp_path, folders):
    pack(*folders, tmp_path / "again", SCHEMA, PackConfig(groups=tmp_path / "groups.csv"))
    return tmp_path / "again/train"


def damage(tiles, labels):
    """Everything that can be wrong at once; one pair is left."""
    (tiles / "tile-00.png").write_bytes(b"no image")
    (tiles / "tile-01.png").unlink()
    (labels / "tile-02.png").unlink()
    save(tiles / "tile-03.png", np.zeros((32, 64, 3), np.uint8))
    Image.fromarray(np.full((64, 64), 77, np.uint8)).save(labels / "tile-04.png")


def test_all_that_is_wrong_is_named(folders):
    damage(*folders)
    with pytest.raises(DatasetError) as error:
        faithfulness(colour_segmenter(), synthetic(*folders), None, SETTINGS)
    text = str(error.value)
    assert "tile-00.png is no image" in text
    assert "Label map tile-01" in text
    assert "tile-02.png has no label map" in text
    assert "tile-03.png is 64x32 pixels, but its label map tile-03 is 64x64" in text
    assert "tile-04.png: value 77" in text
    assert "5 of the synthetic tiles or label maps" in text


def test_what_is_wrong_can_be_left_out_and_is_listed(folders):
    damage(*folders)
    settings = replace(SETTINGS, on_bad_tile="skip")
    result = faithfulness(colour_segmenter(), synthetic(*folders), None, settings)
    assert result.inputs["synthetic"]["tiles"] == 1
    assert len(result.inputs["synthetic"]["bad_tiles"]) == 5


def test_sizes_may_be_mixed(folders):
    tiles, labels = folders
    tile, values = blobs(9, 128)
    save(tiles / "large.png", tile)
    (labels / "large.png").write_bytes(label_png_bytes(values, SCHEMA))
    result = faithfulness(colour_segmenter(), synthetic(tiles, labels), None, SETTINGS)
    assert np.array(result.tables["confusion"]["synthetic"]).sum() == 6 * 64**2 + 128**2


def test_the_batch_size_changes_nothing(folders):
    source = synthetic(*folders)
    one = confusions_of_tiles(colour_segmenter(), source, batch_size=1)
    four = confusions_of_tiles(colour_segmenter(), source, batch_size=4)
    np.testing.assert_array_equal(one.confusion_TKK, four.confusion_TKK)


def test_other_classes_are_refused(folders, tmp_path):
    segmenter = colour_segmenter()
    fewer = replace(SCHEMA, classes=SCHEMA.classes[:2])
    facts = replace(segmenter.facts, schema=fewer)
    real = ShardTiles(pack_blobs(tmp_path / "real", count=6))
    with pytest.raises(InputError, match="The segmenter knows the classes"):
        faithfulness(replace(segmenter, facts=facts), real, None, SETTINGS)


def test_names_that_do_not_fit_are_told(folders, tmp_path):
    (tmp_path / "others").mkdir()
    save(tmp_path / "others" / "x.png", np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(DatasetError, match="is named like a label map of"):
        synthetic(tmp_path / "others", folders[1])


def test_tiles_that_the_segmenter_was_trained_on_are_noticed(folders, tmp_path):
    real = ShardTiles(pack_blobs(tmp_path / "real", count=6))
    hashes = [shard.sha256 for shard in real.reader.index.shards]
    segmenter = colour_segmenter(shards_sha256=hashes)
    result = faithfulness(segmenter, synthetic(*folders), real, SETTINGS)
    assert any("was trained on these very" in warning for warning in result.warnings)


def test_the_seed_decides_the_intervals(folders, tmp_path):
    tiles, labels = folders
    faulty(tiles)
    source = synthetic(tiles, labels)
    results = [
        faithfulness(colour_segmenter(), source, None, replace(SETTINGS, seed=seed))
        for seed in (0, 0, 1)
    ]
    first, again, other = (by_name(result, "mean_dice").interval for result in results)
    assert first == again != other
