"""`histosyn labels` on the command line."""

import numpy as np
import pytest
from new_label_maps import SCHEMA, write_maps
from PIL import Image

from histosyn.labels.label_map import read_label_map
from launch.cli import main


def run(*tokens):
    main(["labels", *map(str, tokens), "--processes", "1"])


def refused(capsys, *tokens):
    """The message of a command that ends with exit code 2 before it made anything."""
    with pytest.raises(SystemExit) as stop:
        run(*tokens)
    assert stop.value.code == 2
    return capsys.readouterr().err.replace("\n", " ")


@pytest.fixture
def labels(tmp_path):
    return write_maps(tmp_path / "labels")


def test_maps_are_made_and_counted(labels, tmp_path, capsys):
    tokens = labels, tmp_path / "new", "--schema", "prostate-3", "--count", "3", "--slack", "1"
    run(*tokens, "--size", "48x32", "--boost", "nuclei=1.1")
    assert f"3 made, 0 already there, of 4 label maps, in {tmp_path / 'new'}" in (
        capsys.readouterr().out.replace("\n", " ")
    )
    assert read_label_map(tmp_path / "new" / "new-000002.png", SCHEMA).shape == (32, 48)


def test_tiles_in_place_of_label_maps(tmp_path, capsys):
    (tmp_path / "tiles").mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "tiles" / "a.png")
    said = refused(capsys, tmp_path / "tiles", tmp_path / "new", "--schema", "prostate-3",
                   "--count", "1")  # fmt: skip
    assert "a.png" in said
    assert "belongs to no class" in said
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        (("--size", "12y"), "--size 12y is no size"),
        (("--boost", "nuclei"), "write CLASS=2.0 with a class of prostate-3"),
        (("--boost", "gold=2"), "background, non-epithelium, epithelium, nuclei"),
        (("--zoom", "0:1"), "--zoom 0:1 is no range"),
        (("--part", "3"), "is no part"),
    ],
)
def test_a_wrong_option_is_one_message(labels, tmp_path, capsys, tokens, message):
    said = refused(capsys, labels, tmp_path / "new", "--schema", "prostate-3", "--count", "1",
                   *tokens)  # fmt: skip
    assert message in said


def test_maps_that_cannot_be_made_are_named_and_the_code_is_1(tmp_path, capsys):
    (tmp_path / "labels").mkdir()
    Image.fromarray(np.ones((32, 32), np.uint8)).save(tmp_path / "labels" / "a.png")
    with pytest.raises(SystemExit) as stop:
        run(tmp_path / "labels", tmp_path / "new", "--schema", "prostate-3", "--count", "1")
    assert stop.value.code == 1
    said = capsys.readouterr().err.replace("\n", " ")
    assert "1 maps could not be made in 20 attempts each, such as number 0" in said


def test_maps_from_nothing(labels, tmp_path, capsys):
    options = "--schema", "prostate-3", "--count", "2", "--slack", "1"
    run(tmp_path / "new", "--like", labels, *options)
    assert "2 made, 0 already there, of 4 label maps" in capsys.readouterr().out.replace("\n", " ")
    for tokens in ((tmp_path / "new",), (labels, tmp_path / "other", "--like", labels)):
        assert "OUT alone with --like LABELS" in refused(capsys, *tokens, *options)
