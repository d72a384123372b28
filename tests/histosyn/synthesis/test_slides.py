"""Label maps that become slides: whoever makes which piece, and whatever is killed, one result."""

import json
import shutil

import numpy as np
import pytest
from disks import resize, small_disk
from killing import files_of
from marks import is_marked
from painting import random_model
from ranks import run_ranks
from tissue import SCHEMA

from histosyn.annotations.outlines import collection_text, feature_text, regions_of
from histosyn.labels.field import write_field
from histosyn.labels.label_map import label_png_bytes
from histosyn.manifests.manifest import read_manifest
from histosyn.models.folder import load_model
from histosyn.synthesis.folder import SynthesisConfig, synthesize_folder
from histosyn.synthesis.provenance import mark_of
from histosyn.synthesis.slide_config import SlideConfig
from histosyn.synthesis.slides import SlideWork
from histosyn.synthesis.tile import synthesize
from hpc.errors import InputError
from hpc.job_array import Part
from hpc.randomness import key_of
from launch.cli import main

openslide = pytest.importorskip("openslide")

LOSSLESS = SlideConfig(output="tiff", codec="deflate")
CONFIG = SynthesisConfig(seed=4, output=LOSSLESS)


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch):
    for name, value in {
        "pyramids.pieces.PIECE": 128,
        "pyramids.pieces.TILE": 32,
        "synthesis.field_tissue.PART": 128,
    }.items():
        monkeypatch.setattr(f"histosyn.{name}", value)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return load_model(random_model(tmp_path_factory.mktemp("model") / "m"))


class Killed(BaseException):
    """What no part of the program catches."""


def field(height=300, width=200):
    random = np.random.default_rng(3)
    coarse = random.integers(0, len(SCHEMA), (-(-height // 20), -(-width // 20)))
    return np.kron(coarse, np.ones((20, 20), int))[:height, :width].astype(np.uint8)


@pytest.fixture
def labels(tmp_path):
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "a.png").write_bytes(label_png_bytes(field(), SCHEMA))
    return tmp_path / "labels"


def pixels_of(path):
    with openslide.OpenSlide(path) as slide:
        return np.asarray(slide.read_region((0, 0), 0, slide.dimensions).convert("RGB"))


def hidden(out):
    return sorted(path.name for path in out.iterdir() if path.name.startswith("."))


def test_a_slide_is_the_tile_that_the_map_would_be(model, labels, tmp_path):
    outcome = synthesize_folder(model, labels, tmp_path / "out", CONFIG)
    assert (outcome.made, outcome.failed) == (("a.tif",), {})
    found = pixels_of(tmp_path / "out" / "a.tif")
    tile = synthesize(model, field(), key_of(4, "synthesis", "a", 1))
    np.testing.assert_array_equal(found, tile)
    assert is_marked(tmp_path / "out" / "a.tif")
    mark = mark_of(tmp_path / "out" / "a.tif")
    assert (mark["codec"], mark["seed"], mark["label"]) == ("deflate", 4, "a.png")
    assert read_manifest(tmp_path / "out")["a.tif"].items() >= mark.items()
    assert not hidden(tmp_path / "out")
    with openslide.OpenSlide(tmp_path / "out" / "a.tif") as slide:
        assert float(slide.properties["openslide.mpp-x"]) == pytest.approx(1)
        assert slide.properties["tiff.ImageDescription"].startswith("Synthetic histology")
        assert slide.level_dimensions == ((200, 300), (100, 150), (50, 75), (25, 38), (13, 19))


def test_the_label_map_lies_beside_it_as_annotations(model, labels, tmp_path):
    pytest.importorskip("shapely")
    from histosyn.annotations.geojson import read_drawing
    from histosyn.annotations.painting import Painting
    from histosyn.annotations.shapes import Grid

    synthesize_folder(model, labels, tmp_path / "out", CONFIG)
    drawing = read_drawing(tmp_path / "out" / "a.geojson")
    grid = Grid(left=0, top=0, step=1, size=field().shape)
    np.testing.assert_array_equal(Painting(drawing, SCHEMA).paint(grid, 255).labels, field())


def test_a_second_run_makes_nothing_and_another_seed_is_refused(model, labels, tmp_path):
    synthesize_folder(model, labels, tmp_path / "out", CONFIG)
    assert synthesize_folder(model, labels, tmp_path / "out", CONFIG).present == ("a.tif",)
    other = SynthesisConfig(seed=5, output=LOSSLESS)
    with pytest.raises(InputError, match=r"a.tif .* --overwrite"):
        synthesize_folder(model, labels, tmp_path / "out", other)


def test_parts_make_pieces_and_the_whole_puts_them_together(model, labels, tmp_path, monkeypatch):
    synthesize_folder(model, labels, tmp_path / "whole", CONFIG)
    for number in (2, 1, 3):
        config = SynthesisConfig(seed=4, output=LOSSLESS, part=Part(number=number, count=3))
        assert synthesize_folder(model, labels, tmp_path / "out", config).made == ()
    monkeypatch.setattr(SlideWork, "make", None)
    assert synthesize_folder(model, labels, tmp_path / "out", CONFIG).made == ("a.tif",)
    for name in ("a.tif", "a.geojson"):
        whole = (tmp_path / "whole" / name).read_bytes()
        assert (tmp_path / "out" / name).read_bytes() == whole


def test_a_killed_job_goes_on_with_the_pieces_that_are_there(model, labels, tmp_path, monkeypatch):
    made, make = [], SlideWork.make

    def at_most_four(work, number):
        if len(made) == 4:
            raise Killed
        made.append(number)
        make(work, number)

    monkeypatch.setattr(SlideWork, "make", at_most_four)
    with pytest.raises(Killed):
        synthesize_folder(model, labels, tmp_path / "out", CONFIG)
    made.clear()
    synthesize_folder(model, labels, tmp_path / "out", CONFIG)
    assert made == [4, 5]
    assert pixels_of(tmp_path / "out" / "a.tif").shape == (300, 200, 3)


@pytest.mark.parametrize("room", ["20k", "200k", "400k"], ids=["labels", "pieces", "pyramid"])
def test_a_full_disk_is_told_once_and_the_same_command_goes_on(
    model, labels, tmp_path, capsys, room
):
    """Full while the label map, a piece or the pyramid itself is written."""
    shutil.copytree(labels, tmp_path / "maps")
    shutil.copy(labels / "a.png", tmp_path / "maps" / "b.png")
    command = ["synth", str(random_model(tmp_path / "model")), str(tmp_path / "maps")]
    options = ["--output", "tiff", "--compression", "deflate"]
    main([*command, str(tmp_path / "undisturbed"), *options])
    with small_disk(tmp_path / "disk", room) as disk:
        out = disk / "out"
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([*command, str(out), *options])
        assert ended.value.code == 1
        said = [line for line in capsys.readouterr().err.splitlines() if "eta=" not in line]
        assert len(said) == 1
        assert said[0].startswith(f"histosyn: {out}/")
        assert said[0].endswith(
            "cannot be written: No space left on device. Free some space and run the same command "
            "again: it goes on where it stopped."
        )
        there = {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}
        resize(disk, "64m")
        main([*command, str(out), *options])
        assert files_of(out) == files_of(tmp_path / "undisturbed")
        # What stood there under its name was whole.
        assert there.items() <= files_of(out).items()


def test_a_full_disk_in_the_last_write_of_a_label_map_is_noticed(tmp_path):
    """It takes a part of a write without a word."""
    with small_disk(tmp_path / "disk", "40k") as disk:
        labels_HW = np.ones((300, 200), np.uint8)
        with pytest.raises(OSError, match="No space left"):
            write_field(disk / "labels", labels_HW.shape, [(0, 0, labels_HW)])
        assert not list(disk.iterdir())


def test_a_bad_map_fails_and_the_others_become_slides(model, labels, tmp_path):
    bad = field()
    bad[250, 7] = 77
    from PIL import Image

    Image.fromarray(bad).save(labels / "bad.png")
    outcome = synthesize_folder(model, labels, tmp_path / "out", CONFIG)
    assert outcome.made == ("a.tif",)
    (said,) = outcome.failed.values()
    assert "bad.png: value 77 (1 pixels) is outside schema" in said


def test_only_what_is_large_becomes_a_slide(model, labels, tmp_path, monkeypatch):
    monkeypatch.setattr("histosyn.synthesis.slide_config.PYRAMID_ABOVE", 300 * 200)
    (labels / "b.png").write_bytes(label_png_bytes(field(300, 201), SCHEMA))
    outcome = synthesize_folder(model, labels, tmp_path / "out", SynthesisConfig())
    assert outcome.made == ("a.png", "b.tif")


def test_a_file_in_the_way_is_not_replaced(model, labels, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.geojson").write_text("{}")
    outcome = synthesize_folder(model, labels, tmp_path / "out", CONFIG)
    assert "a.geojson was not made by histosyn" in next(iter(outcome.failed.values()))
    assert (tmp_path / "out" / "a.geojson").read_text() == "{}"


def drawing(path, labels_HW, **members):
    features = [feature_text(region, SCHEMA) for region in regions_of(labels_HW, len(SCHEMA))]
    content = json.loads("".join(collection_text(iter(features))))
    path.write_text(json.dumps(content | members))


@pytest.mark.parametrize("output", ["png", "tiff"])
def test_annotations_are_a_label_map_of_the_extent_that_they_say(model, tmp_path, output):
    pytest.importorskip("shapely")
    (tmp_path / "labels").mkdir()
    labels_HW = field()
    labels_HW[:20, :20] = 255
    drawing(tmp_path / "labels" / "a.geojson", labels_HW, bbox=[0, 0, 200, 300])
    config = SlideConfig(output=output, codec="deflate", unannotated=SCHEMA.classes[1].name)
    outcome = synthesize_folder(
        model, tmp_path / "labels", tmp_path / "out", SynthesisConfig(output=config)
    )
    labels_HW[:20, :20] = 1
    name = {"png": "a.png", "tiff": "a.tif"}[output]
    assert (outcome.made, outcome.failed) == ((name,), {})
    expected = synthesize(model, labels_HW, key_of(0, "synthesis", "a", 1))
    if output == "tiff":
        np.testing.assert_array_equal(pixels_of(tmp_path / "out" / name), expected)
    assert mark_of(tmp_path / "out" / name)["drawn"] == {
        "height": 300, "width": 200, "unannotated": SCHEMA.classes[1].name,
    }  # fmt: skip


def test_annotations_without_an_extent_say_what_to_pass(model, tmp_path):
    pytest.importorskip("shapely")
    (tmp_path / "labels").mkdir()
    drawing(tmp_path / "labels" / "a.geojson", field())
    with pytest.raises(InputError, match=r"a.geojson says nothing .* --extent WIDTHxHEIGHT"):
        synthesize_folder(model, tmp_path / "labels", tmp_path / "out", CONFIG)


def bad_drawings(folder):
    """What is wrong with each, by name."""
    square = [[0, 0], [40, 0], [40, 40], [0, 40], [0, 0]]
    name = SCHEMA.classes[0].name

    def text(ring=square, name=name):
        shape = {"type": "Polygon", "coordinates": [ring]}
        properties = {"classification": {"name": name}}
        item = {"type": "Feature", "geometry": shape, "properties": properties}
        return json.dumps({"type": "FeatureCollection", "bbox": [0, 0, 64, 64], "features": [item]})

    files = {
        "nan": (text([[0, 0], [12345, 0], [9, 9], [0, 0]]).replace("12345", "NaN").encode(),
                "has a corner, number 2, whose place is no number"),
        "latin": (text().replace('"bbox"', '"Drüse": 1, "bbox"').encode("latin-1"),
                  "is not UTF-8 text"),
        "no-json": (text()[:-9].encode(), "is no JSON"),
        "unknown": (text(name="Fat").encode(), "'Fat' (1 annotations)"),
        "elsewhere": (text([[x + 500, y] for x, y in square]).encode(),
                      "1 annotation lies beyond the image, which has 64x64 pixels; the first is"),
    }  # fmt: skip
    for stem, (data, _) in files.items():
        (folder / f"{stem}.geojson").write_bytes(data)
    bow = [[0, 0], [40, 40], [40, 0], [0, 40], [0, 0]]
    (folder / "bow.geojson").write_text(text(bow))
    (folder / "over.geojson").write_text(text([[x + 30, y] for x, y in square]))
    return {stem: said for stem, (_, said) in files.items()}


@pytest.mark.parametrize("output", ["png", "tiff"])
def test_bad_annotations_fail_with_a_sentence_each_and_the_rest_is_made(
    model, tmp_path, caplog, output
):
    pytest.importorskip("shapely")
    (tmp_path / "labels").mkdir()
    bad = bad_drawings(tmp_path / "labels")
    config = SlideConfig(output=output, unannotated=SCHEMA.classes[1].name)
    outcome = synthesize_folder(
        model, tmp_path / "labels", tmp_path / "out", SynthesisConfig(output=config)
    )
    assert sorted(name.partition(".")[0] for name in outcome.made) == ["bow", "over"]
    assert len(outcome.failed) == len(bad)
    for path, said in outcome.failed.items():
        stem = path.rpartition("/")[2].partition(".")[0]
        assert bad[stem] in said
        assert said.startswith(path)
    # What was taken as it is not quite is told.
    assert "bow.geojson: outlines that cross themselves" in caplog.text
    assert "over.geojson: 1 annotation lies partly beyond the image (64x64 pixels)" in caplog.text


def test_a_resampled_map_has_its_new_size(model, labels, tmp_path):
    from histosyn.synthesis.resolution import SaidResolution

    config = SynthesisConfig(output=LOSSLESS, resolution=SaidResolution(source_mpp=0.5))
    synthesize_folder(model, labels, tmp_path / "out", config)
    assert pixels_of(tmp_path / "out" / "a.tif").shape == (150, 100, 3)
    shutil.rmtree(tmp_path / "out")


def on_a_rank(folder, labels, out):
    from histosyn.pyramids import pieces
    from histosyn.synthesis import field_tissue
    from hpc.topology import detect

    pieces.PIECE, pieces.TILE, field_tissue.PART = 128, 32, 128
    outcome = synthesize_folder(load_model(folder), labels, out, CONFIG, detect())
    return outcome.made, outcome.failed


@pytest.mark.slow
def test_ranks_make_the_same_bytes(model, labels, tmp_path):
    synthesize_folder(model, labels, tmp_path / "alone", CONFIG)
    folder = random_model(tmp_path / "m")
    found = run_ranks(2, on_a_rank, folder, labels, tmp_path / "many")
    assert found == [(("a.tif",), {})] * 2
    for name in ("a.tif", "a.geojson"):
        alone = (tmp_path / "alone" / name).read_bytes()
        assert (tmp_path / "many" / name).read_bytes() == alone
