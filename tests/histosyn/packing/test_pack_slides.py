"""Slides and GeoJSON to shards: what is painted where, and what is left out and told."""

from __future__ import annotations

import json
import re
import tarfile

import numpy as np
import pytest
from marks import is_marked
from PIL import Image
from slides import damage_tile, feature, rectangle, tissue, write_geojson, write_slide

from histosyn.doctor.annotation_proposal import propose_for_annotations
from histosyn.images.origin import SYNTHETIC_XMP
from histosyn.labels.schema import LabelClass, LabelSchema
from histosyn.packing import writing
from histosyn.packing.config import PackConfig
from histosyn.packing.pack_slides import look_at_slides, pack_slides, settle_slide_schema
from histosyn.packing.schema_choice import Settled
from histosyn.shards.dataset import open_shards
from hpc.errors import ConfigError, DatasetError, LabelError

SCHEMA = LabelSchema(
    name="breast",
    classes=(
        LabelClass(name="Stroma", color="#96c896"),
        LabelClass(name="Tumor", color="#c80000"),
    ),
    ignore=255,
)
CONFIG = PackConfig(tile_size=64, samples_per_shard=4)


def write_pair(folder, name="a", image=None, *features, **slide):
    image = tissue(320, 448) if image is None else image
    write_slide(folder / "slides" / f"{name}.tif", image, **slide)
    features = features or (
        feature("Stroma", rectangle(0, 0, 200, 150)),
        feature("Tumor", rectangle(100, 50, 300, 130)),
    )
    write_geojson(folder / "drawn" / f"{name}.geojson", *features)
    return image


def packed(folder, config=CONFIG, schema=SCHEMA, out="out", processes=1):
    folders = look_at_slides(folder / "slides", folder / "drawn", processes)
    settled = settle_slide_schema(folders, config, schema)
    return pack_slides(folders, folder / out, settled, config, processes)


def in_order(folder, part="train"):
    reader = open_shards(folder / part)
    return [
        reader.read(shard, number)
        for shard, record in enumerate(reader.index.shards)
        for number in range(record.samples)
    ]


def bytes_of(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def label_map(height=320, width=448):
    labels = np.full((height, width), 255, np.uint8)
    labels[0:150, 0:200] = 0
    labels[50:130, 100:300] = 1
    return labels


def test_tiles_and_label_maps_are_those_of_the_slide(tmp_path):
    image = write_pair(tmp_path)
    found = packed(tmp_path)

    assert not found.problems
    labels = label_map()
    windows = [
        (image[y : y + 64, x : x + 64], labels[y : y + 64, x : x + 64])
        for y in range(0, 320, 64)
        for x in range(0, 448, 64)
        if (labels[y : y + 64, x : x + 64] != 255).any()
    ]
    written = in_order(tmp_path / "out")
    assert len(written) == len(windows)
    assert found.indexes["train"].made_by["crops_left_out"] == 5 * 7 - len(windows)
    for (tile, label), (expected_tile, expected_label) in zip(written, windows, strict=True):
        assert np.array_equal(tile, expected_tile)
        assert np.array_equal(label, expected_label)


@pytest.mark.parametrize("xmp", [b"", SYNTHETIC_XMP.encode()])
def test_tiles_of_a_synthetic_slide_keep_its_mark(tmp_path, xmp):
    write_pair(tmp_path, xmp=xmp)
    packed(tmp_path)
    with tarfile.open(tmp_path / "out/train/shard-000000.tar") as shard:
        tiles = [
            shard.extractfile(member).read()
            for member in shard
            if member.name.endswith(".tile.png")
        ]
    assert len(tiles) == CONFIG.samples_per_shard
    assert all(is_marked(tile) == bool(xmp) for tile in tiles)


def test_at_another_resolution(tmp_path):
    """Twice as coarse: a level of the slide, and every second pixel's centre."""
    image = write_pair(tmp_path)
    index = packed(tmp_path, PackConfig(tile_size=64, mpp=0.5)).indexes["train"]

    half = np.asarray(Image.fromarray(image).reduce(2))
    assert index.mpp == 0.5
    # 224 pixels across hold three tiles, which lie centred.
    tile, labels = in_order(tmp_path / "out")[0]
    assert np.array_equal(tile, half[16:80, 16:80])
    assert np.array_equal(labels, label_map()[1::2, 1::2][16:80, 16:80])


def test_facts_of_a_sample(tmp_path):
    write_pair(tmp_path, "S1")
    packed(tmp_path, PackConfig(tile_size=64, mpp=0.5))

    import tarfile

    with tarfile.open(tmp_path / "out/train/shard-000000.tar") as tar:
        name = next(item for item in tar.getnames() if item.endswith(".json"))
        assert name == "S1_r0c0.json"
        assert json.load(tar.extractfile(name)) == {
            "source": "S1", "group": "S1", "mpp": 0.5, "row": 0, "column": 0, "x": 32, "y": 32,
        }  # fmt: skip


def test_any_number_of_processes_and_times_gives_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        write_pair(tmp_path, name, tissue(320, 448, seed=ord(name)))
    config = PackConfig(tile_size=64, val=0.5, mpp=0.4)
    packed(tmp_path, config)
    packed(tmp_path, config, out="again", processes=2)

    assert bytes_of(tmp_path / "out") == bytes_of(tmp_path / "again")


def test_after_a_kill_it_goes_on_and_the_bytes_are_the_same(tmp_path, monkeypatch):
    write_pair(tmp_path, "a", None, feature("Tumor", rectangle(0, 0, 448, 320)))
    damage_tile(tmp_path / "slides/a.tif", level=0, number=0)
    found = packed(tmp_path)
    original, written = writing.record_shard, []

    def stopping(*what):
        if len(written) == 2:
            raise KeyboardInterrupt
        written.append(what)
        return original(*what)

    monkeypatch.setattr(writing, "record_shard", stopping)
    with pytest.raises(KeyboardInterrupt):
        packed(tmp_path, out="again")
    assert not (tmp_path / "again").exists()
    monkeypatch.setattr(writing, "record_shard", original)

    assert packed(tmp_path, out="again").problems == found.problems
    assert bytes_of(tmp_path / "out") == bytes_of(tmp_path / "again")


def test_what_no_annotation_covers_may_be_a_class(tmp_path):
    """Glass without annotation is left out all the same."""
    image = tissue(320, 448).copy()
    image[:, 256:] = 240
    write_pair(tmp_path, "a", image, feature("Tumor", rectangle(0, 0, 64, 64)))
    packed(tmp_path, PackConfig(tile_size=64, unannotated="stroma"))

    written = in_order(tmp_path / "out")
    assert len(written) == 20
    assert [np.unique(labels).tolist() for _, labels in written] == [[1], *[[0]] * 19]


def test_overlaps_in_the_order_of_the_schema(tmp_path):
    both = (feature("Tumor", rectangle(0, 0, 40, 64)), feature("Stroma", rectangle(20, 0, 64, 64)))
    write_pair(tmp_path, "a", None, *both)
    packed(tmp_path)
    packed(tmp_path, PackConfig(tile_size=64, overlaps="schema"), out="schema")

    assert in_order(tmp_path / "out")[0][1][0].tolist() == [1] * 20 + [0] * 44
    assert in_order(tmp_path / "schema")[0][1][0].tolist() == [1] * 40 + [0] * 24


def test_slides_are_groups_or_the_csv_says_which(tmp_path):
    for name in ("a", "b", "c"):
        write_pair(tmp_path, name, tissue(128, 128))
    found = packed(tmp_path, PackConfig(tile_size=64, val=0.4))
    assert len(found.indexes["val"].table.groups()) == 1

    table = tmp_path / "table.csv"
    table.write_text("tile,patient,split,mpp\na.svs,1,train,\nb,1,train,\nc.tif,2,val,\n")
    found = packed(tmp_path, PackConfig(tile_size=64, groups=table), out="by-patient")
    assert found.indexes["train"].table.groups() == {"1"}
    assert found.indexes["val"].table.groups() == {"2"}


def test_a_slide_without_resolution_is_left_out_and_told(tmp_path):
    write_pair(tmp_path, "a", mpp=None)
    write_pair(tmp_path, "b")
    found = packed(tmp_path, PackConfig(tile_size=64, mpp=0.5))

    (problem,) = found.problems
    assert "a.tif does not say its microns per pixel" in problem
    assert "--source-mpp" in problem
    assert found.indexes["train"].made_by["slides_left_out"] == ["a.tif"]
    said = packed(tmp_path, PackConfig(tile_size=64, mpp=0.5, source_mpp=0.25), out="said")
    assert not said.problems
    assert len(said.indexes["train"]) == 2 * len(found.indexes["train"])


def bad_pairs(folder):
    """What is wrong with each, by name."""
    small = tissue(128, 128)
    bad = {
        "not-a-slide": "is no slide that OpenSlide can open",
        "nan": r"feature 1 \(Tumor\) has a corner, number 2, whose place is no number",
        "latin": "is not UTF-8 text",
        "no-json": "is no JSON",
        "unknown": r"has classes that schema breast .* does not have: 'Fat' \(1 annotations\)",
        "elsewhere": r"1 annotation lies beyond the slide, which has 128x128 pixels",
        "tiny": "too small for tiles of 64",
    }
    for name in bad:
        write_pair(folder, name, small, feature("Tumor", rectangle(0, 0, 64, 64)))
    (folder / "slides/not-a-slide.tif").write_bytes(b"no slide at all")
    write_slide(folder / "slides/tiny.tif", small[:32, :32], levels=1)
    write_geojson(folder / "drawn/tiny.geojson", feature("Tumor", rectangle(0, 0, 9, 9)))
    nan = json.dumps([feature("Tumor", [[[0, 0], [12345, 0], [9, 9]]])]).replace("12345", "NaN")
    (folder / "drawn/nan.geojson").write_text(nan)
    (folder / "drawn/latin.geojson").write_bytes('[{"name": "Drüse"}]'.encode("latin-1"))
    (folder / "drawn/no-json.geojson").write_text("{")
    write_geojson(folder / "drawn/unknown.geojson", feature("Fat", rectangle(0, 0, 9, 9)))
    write_geojson(
        folder / "drawn/elsewhere.geojson", feature("Tumor", rectangle(500, 500, 600, 600))
    )
    write_slide(folder / "slides/lonely.tif", small)
    write_geojson(folder / "drawn/orphan.geojson")
    return bad | {
        "lonely": "has no annotations: .* holds no lonely.geojson",
        "orphan": "has no slide: .* holds none that is called orphan",
    }


def test_one_sentence_for_each_that_is_left_out_and_the_rest_is_packed(tmp_path):
    bad = bad_pairs(tmp_path)
    write_pair(tmp_path, "good")
    found = packed(tmp_path)

    assert len(found.problems) == len(bad)
    for name, said in bad.items():
        (problem,) = [text for text in found.problems if f"/{name}." in text.partition(" ")[0]]
        assert re.search(said, problem), problem
        assert problem.endswith(".")
    assert found.indexes["train"].table.groups() == {"good"}
    left_out = found.indexes["train"].made_by["slides_left_out"]
    assert left_out == sorted(f"{name}.tif" for name in bad if name != "orphan")


def test_nothing_is_left_to_be_packed(tmp_path):
    bad_pairs(tmp_path)

    with pytest.raises(DatasetError, match="No slide is left to be packed"):
        packed(tmp_path)
    assert not (tmp_path / "out").exists()


def test_a_damaged_place_is_told_and_the_rest_of_the_slide_is_packed(tmp_path):
    write_pair(tmp_path, "a", None, feature("Tumor", rectangle(0, 0, 448, 320)))
    damage_tile(tmp_path / "slides/a.tif", level=0, number=9)
    damage_tile(tmp_path / "slides/a.tif", level=0, number=20)
    found = packed(tmp_path)

    (problem,) = found.problems
    assert "a.tif cannot be read at x=" in problem
    assert problem.endswith("of its tiles cannot be read; this is the first.")
    made_by = found.indexes["train"].made_by
    assert made_by["crops_not_read"] == {"a": 35 - len(found.indexes["train"])}
    assert 0 < made_by["crops_not_read"]["a"] < 20


def test_a_damaged_level_is_told_if_it_is_the_one_that_is_read(tmp_path):
    write_pair(tmp_path, "a", None, feature("Tumor", rectangle(0, 0, 448, 320)))
    damage_tile(tmp_path / "slides/a.tif", level=1, number=0)

    assert not packed(tmp_path, out="full").problems
    found = packed(tmp_path, PackConfig(tile_size=64, mpp=0.5))
    (problem,) = found.problems
    assert re.search(r"a\.tif cannot be read at x=\d+, y=\d+ \(level 1\)", problem)
    assert len(found.indexes["train"]) == 6 - found.indexes["train"].made_by["crops_not_read"]["a"]


def test_a_slide_that_is_cut_short_is_told_and_the_others_are_packed(tmp_path):
    """As after a copy that broke off: where its list of levels is gone, and where only pixels."""
    for name in "abc":
        write_pair(tmp_path, name, None, feature("Tumor", rectangle(0, 0, 448, 320)))
    for name, kept in (("a", 500), ("b", 0.5)):
        path = tmp_path / f"slides/{name}.tif"
        data = path.read_bytes()
        path.write_bytes(data[: kept if kept > 1 else int(len(data) * kept)])
    found = packed(tmp_path)

    assert [problem.partition(" ")[0].rpartition("/")[2] for problem in found.problems] == [
        "a.tif",
        "b.tif",
    ]
    assert "c" in found.indexes["train"].table.groups()


def test_where_nothing_can_be_read_this_is_said_and_not_that_there_is_no_tissue(tmp_path):
    write_pair(tmp_path, "a", tissue(64, 64), feature("Tumor", rectangle(0, 0, 64, 64)), levels=1)
    damage_tile(tmp_path / "slides/a.tif", level=0, number=0)

    with pytest.raises(DatasetError) as raised:
        packed(tmp_path)
    said = str(raised.value)
    assert re.search(r"a\.tif cannot be read at x=0, y=0 \(level 0\)", said)
    assert said.endswith("1 crops cannot be read; this is the first. Nothing is left for train.")
    assert not (tmp_path / "out").exists()


def test_outlines_that_cross_themselves_and_leave_the_slide_are_notes(tmp_path):
    bow = [[[0, 0], [64, 64], [64, 0], [0, 64], [0, 0]]]
    write_pair(
        tmp_path, "a", None, feature("Tumor", bow), feature("Stroma", rectangle(200, 0, 900, 64))
    )
    folders = look_at_slides(tmp_path / "slides", tmp_path / "drawn", 1)

    crossing, beyond = folders.summaries[0].notes
    assert "feature 1 (Tumor): Self-intersection at 32, 32" in crossing
    assert "1 annotation lies partly beyond the slide (448x320 pixels)" in beyond
    assert not packed(tmp_path).problems


def test_a_schema_is_proposed_from_names_and_colours(tmp_path):
    write_pair(
        tmp_path, "a", None,
        feature("Tumor", rectangle(0, 0, 64, 64), (200, 0, 0)),
        feature("Stroma", rectangle(0, 0, 64, 64), (150, 200, 150)),
        feature("Ignore*", rectangle(0, 0, 8, 8)),
        feature(None, rectangle(0, 0, 8, 8)),
    )  # fmt: skip
    write_pair(tmp_path, "b", None, feature("Tumor: Positive", rectangle(0, 0, 9, 9), (9, 0, 0)))
    folders = look_at_slides(tmp_path / "slides", tmp_path / "drawn", 1)
    schema = settle_slide_schema(folders, CONFIG, None).schema

    assert [(item.name, item.color) for item in schema.classes] == [
        ("Stroma", "#96c896"), ("Tumor", "#c80000"), ("Tumor: Positive", "#090000"),
    ]  # fmt: skip
    assert schema.ignore == 255
    outside = PackConfig(tile_size=64, unannotated="Glass")
    assert settle_slide_schema(folders, outside, None).schema.classes[0].name == "Glass"


def test_equal_and_missing_colours_become_different_ones(tmp_path):
    same = [feature(name, rectangle(0, 0, 9, 9)) for name in ("A", "B")]
    none = feature("C", rectangle(0, 0, 9, 9))
    none["properties"]["classification"] = "C"
    write_pair(tmp_path, "a", None, *same, none)
    summaries = look_at_slides(tmp_path / "slides", tmp_path / "drawn", 1).summaries

    schema = propose_for_annotations(summaries).schema
    assert schema.classes[0].color == "#c80000"
    assert len({item.color for item in schema.classes}) == 3


def test_one_class_alone_needs_a_word_on_the_rest(tmp_path):
    write_pair(tmp_path, "a", None, feature("Tumor", rectangle(0, 0, 64, 64)))
    folders = look_at_slides(tmp_path / "slides", tmp_path / "drawn", 1)

    with pytest.raises(LabelError, match="All annotations are Tumor: name .* --unannotated"):
        settle_slide_schema(folders, CONFIG, None)


@pytest.mark.parametrize(
    ("config", "error", "said"),
    [
        (PackConfig(), ConfigError, "--tile-size"),
        (PackConfig(tile_size=64, unannotated="Fat"), LabelError, "--unannotated Fat is no class"),
        (PackConfig(tile_size=64, objects_are="Tumor"), ConfigError, "--objects-are is for label"),
        (PackConfig(tile_size=64, unlabelled=0), ConfigError, "--unlabelled is for label maps"),
    ],
)
def test_settings_that_do_not_fit_slides(tmp_path, config, error, said):
    write_pair(tmp_path, "a", tissue(128, 128))

    with pytest.raises(error, match=said):
        packed(tmp_path, config)


def test_a_schema_that_ignores_nothing(tmp_path):
    write_pair(tmp_path, "a", tissue(128, 128))
    strict = LabelSchema(name="strict", classes=SCHEMA.classes)

    with pytest.raises(ConfigError, match="ignores nothing.*--unannotated"):
        packed(tmp_path, schema=strict)
    packed(tmp_path, PackConfig(tile_size=64, unannotated="Stroma"), schema=strict)


def test_annotations_that_are_not_painted_leave_nothing(tmp_path):
    write_pair(tmp_path, "a", tissue(128, 128), feature(None, rectangle(0, 0, 64, 64)))

    with pytest.raises(DatasetError, match="None of the 4 crops for train has an annotation"):
        packed(tmp_path)


def test_settled_by_name_is_taken_as_it_is(tmp_path):
    write_pair(tmp_path, "a", tissue(128, 128))
    folders = look_at_slides(tmp_path / "slides", tmp_path / "drawn", 1)

    assert settle_slide_schema(folders, CONFIG, SCHEMA) == Settled(schema=SCHEMA)
