"""Verifying: what was made is told from what was altered, and from what is not ours."""

import json

import numpy as np
import pytest
from painting import random_model
from PIL import Image
from tissue import SCHEMA

from histosyn.images.tiles import png_bytes, read_tile
from histosyn.labels.label_map import label_png_bytes
from histosyn.models.folder import load_model
from histosyn.synthesis.folder import SynthesisConfig, synthesize_folder
from histosyn.synthesis.slide_config import SlideConfig
from histosyn.synthesis.verification import verify_tiles


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return load_model(random_model(tmp_path_factory.mktemp("model") / "m"))


@pytest.fixture
def labels(tmp_path):
    (tmp_path / "labels").mkdir()
    for number, name in enumerate(("a", "b", "c", "d")):
        map_HW = np.full((40, 56), number, np.uint8)
        map_HW[5:30, 9:20] = 1
        (tmp_path / "labels" / f"{name}.png").write_bytes(label_png_bytes(map_HW, SCHEMA))
    return tmp_path / "labels"


def kinds(model, out, labels):
    return {each.file: (each.kind, each.detail) for each in verify_tiles(model, out, labels)}


def test_each_kind_of_tile_is_told(model, labels, tmp_path):
    out = tmp_path / "out"
    synthesize_folder(model, labels, out, SynthesisConfig(seed=2))
    stripped = read_tile(out / "b.png")
    (out / "b.png").write_bytes(png_bytes(Image.fromarray(stripped)))
    touched = read_tile(out / "c.png")
    touched[10:12, 20:23] ^= 255
    (out / "c.png").write_bytes(png_bytes(Image.fromarray(touched)))
    (labels / "d.png").write_bytes((labels / "a.png").read_bytes())
    Image.new("RGB", (8, 8)).save(out / "photo.png")
    found = kinds(model, out, labels)
    assert found["a.png"] == ("identical", "")
    assert found["b.png"] == ("identical but for metadata", "")
    assert found["c.png"] == ("altered", "6 pixels in rows 10 to 11, columns 20 to 22")
    assert found["d.png"][0] == "not checked"
    assert "d.png is not there, or not the label map" in found["d.png"][1]
    assert found["photo.png"][0] == "not ours"


def test_another_model_and_another_size_are_told(model, labels, tmp_path):
    out = tmp_path / "out"
    synthesize_folder(model, labels, out)
    cut = read_tile(out / "a.png")[:20]
    (out / "a.png").write_bytes(png_bytes(Image.fromarray(cut)))
    assert kinds(model, out, labels)["a.png"] == ("altered", "56x20 pixels, it was 56x40")
    lines = (out / "manifest.jsonl").read_text().splitlines()
    told = [json.loads(line) | {"model_sha256": "f" * 64} for line in lines]
    (out / "manifest.jsonl").write_text("".join(json.dumps(each) + "\n" for each in told))
    assert "by the model ffffffffffff" in kinds(model, out, labels)["a.png"][1]


def test_a_slide_is_compared_tile_by_tile(model, labels, tmp_path):
    out = tmp_path / "out"
    config = SynthesisConfig(output=SlideConfig(output="tiff"))
    synthesize_folder(model, labels, out, config)
    data = bytearray((out / "b.tif").read_bytes())
    data[200] ^= 1
    (out / "b.tif").write_bytes(data)
    found = kinds(model, out, labels)
    assert found["a.tif"] == ("identical", "")
    assert found["b.tif"] == ("altered", "1 tiles, the first at row 0, column 0")
