"""`synth` of slides and edits, `verify` and `export`, as a user runs them."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import yaml
from marks import is_marked
from painting import GENERATOR, random_model
from PIL import Image
from tissue import SCHEMA

from histosyn.labels.label_map import label_png_bytes
from launch.cli import main


@pytest.fixture
def folders(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    random_model(tmp_path / "model")
    (tmp_path / "labels").mkdir()
    labels = np.zeros((64, 96), np.uint8)
    labels[10:40, 20:60] = 2
    (tmp_path / "labels" / "a.png").write_bytes(label_png_bytes(labels, SCHEMA))
    return tmp_path


def shown(capsys):
    said = capsys.readouterr()
    return " ".join((said.out + said.err).split())


def test_what_was_made_is_verified_and_what_was_touched_is_told(folders, capsys):
    main(["synth", "model", "labels", "tissue", "--seed", "3"])
    main(["synth", "model", "labels", "slides", "--output", "tiff", "--least-region", "50"])
    main(["verify", "slides", "model", "labels"])
    main(["verify", "tissue", "model", "labels"])
    assert "identical: a.png 1 identical" in shown(capsys)
    with Image.open(folders / "tissue" / "a.png") as image:
        pixels = np.array(image)
    pixels[0, 0] ^= 1
    Image.fromarray(pixels).save(folders / "tissue" / "a.png")
    with pytest.raises(SystemExit) as exit_info:
        main(["verify", "tissue", "model", "labels"])
    assert exit_info.value.code == 1
    said = shown(capsys)
    assert "altered: a.png: 1 pixels in rows 0 to 0, columns 0 to 0" in said
    assert "Not all of 1 files are as they were made: 1 altered" in said


def test_before_and_after_an_edit_is_one_command(folders, capsys):
    main(["synth", "model", "labels", "before"])
    (folders / "edited").mkdir()
    labels = np.zeros((64, 96), np.uint8)
    labels[10:40, 20:70] = 2
    (folders / "edited" / "a.png").write_bytes(label_png_bytes(labels, SCHEMA))
    main(["synth", "model", "--labels", "edited", "--out", "after", "--like",
          "before/manifest.jsonl", "--edited"])  # fmt: skip
    assert is_marked(folders / "after-changes" / "a.png")
    main(["synth", "model", "labels", "rerolled", "--reroll", SCHEMA.classes[2].name])
    assert is_marked(folders / "rerolled-changes" / "a.png")
    assert "1 made" in shown(capsys)


def test_a_model_is_exported_as_a_folder_and_as_onnx(folders, capsys):
    main(["export", "model", "published"])
    weights = [folders / name / "model.safetensors" for name in ("model", "published")]
    assert weights[0].read_bytes() == weights[1].read_bytes()
    assert (folders / "published" / "README.md").read_text().startswith("---\nlicense: other\n")
    pytest.importorskip("onnxruntime")
    main(["export", "model", "g.onnx", "--onnx"])
    assert "g.onnx: onnxruntime agrees to" in shown(capsys)
    with pytest.raises(SystemExit) as exit_info:
        main(["export", "model", "published", "--onnx"])
    assert exit_info.value.code == 2
    assert "published is a folder. Name a file" in shown(capsys)


def test_half_the_space_makes_a_model_of_its_own(folders, capsys):
    main(["export", "model", "half", "--weights", "bfloat16"])
    main(["export", "half", "same"])
    whole, half, same = (
        (folders / name / "model.safetensors").read_bytes() for name in ("model", "half", "same")
    )
    assert len(half) < 0.6 * len(whole)
    assert same == half
    main(["synth", "model", "labels", "tissue"])
    main(["synth", "half", "labels", "tissue-of-half"])
    tiles = [np.asarray(Image.open(folders / name / "a.png"), float)
             for name in ("tissue", "tissue-of-half")]  # fmt: skip
    assert 0 < np.abs(tiles[0] - tiles[1]).mean() < 4
    for other in (["--onnx"], ["--results", "fid.json"]):
        (folders / "fid.json").touch()
        with pytest.raises(SystemExit) as exit_info:
            main(["export", "model", "no", "--weights", "bfloat16", *other])
        assert exit_info.value.code == 2
    assert "--weights bfloat16 makes a model folder with other weights" in shown(capsys)


def test_what_was_measured_stands_in_the_card(folders, capsys):
    random = np.random.default_rng(0)
    (folders / "real").mkdir()
    for number in range(6):
        tile = random.integers(0, 255, (64, 96, 3), np.uint8)
        Image.fromarray(tile).save(folders / "real" / f"{number}.png")
        shutil.copy(folders / "labels" / "a.png", folders / "labels" / f"{number}.png")
    main(["synth", "model", "labels", "tissue"])
    main(["eval", "fid", "real", "tissue", "--extractor", "random", "--json", "fid.json"])
    main(["export", "model", "published", "--results", "fid.json"])
    card = (folders / "published" / "README.md").read_text()
    found = yaml.safe_load(card.split("---\n")[1])
    (index,) = found["model-index"]
    assert index["name"] == "published"
    (result,) = index["results"]
    assert (result["dataset"]["name"], result["dataset"]["args"]["n"]) == ("real", 6)
    measured = {
        item["name"]: item["value"]
        for item in json.loads((folders / "fid.json").read_text())["numbers"]
    }
    distance, kid = result["metrics"][:2]
    assert distance["value"] == measured["frechet_distance"]
    assert (kid["type"], kid["value"]) == ("kid", measured["kid"])
    assert "## Measured" in card
    assert "| kernel distance (KID) |" in card
    # Of another model it is no measurement.
    random_model(folders / "other", replace(GENERATOR, noise_channels=4))
    capsys.readouterr()
    for command, told in (
        (["export", "other", "card", "--results", "fid.json"], "on tiles of another model"),
        (["export", "model", "card", "--results", "none.json"], "none.json does not exist"),
        (["export", "model", "g.onnx", "--onnx", "--results", "fid.json"], "ONNX has none"),
    ):
        with pytest.raises(SystemExit) as exit_info:
            main(command)
        assert exit_info.value.code == 2
        assert told in shown(capsys)
    assert not (folders / "card").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--extent", "20k"], "extent '20k' must be WIDTHxHEIGHT"),
        (["--memory", "0.1"], "needs 0."),
        (["--edited"], "--edited is for --like"),
    ],
)
def test_wrong_options_say_what_to_give(folders, capsys, options, said):
    with pytest.raises(SystemExit) as exit_info:
        main(["synth", "model", "labels", "out", "--output", "tiff", *options])
    assert exit_info.value.code in (1, 2)
    assert said in shown(capsys)
