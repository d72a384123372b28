"""`histosyn eval segmenter train` and `histosyn eval faithfulness`, as users call them."""

import json
import tomllib

import pytest
from tissue import pack_blobs

from histosyn.images.tiles import png_bytes
from launch.cli import main

TINY = """
[network]
base_channels = 4
max_multiplier = 2
halvings = 2
[data]
global_batch = 4
workers = 0
[run]
steps = 4
device = "cpu"
report_every = 2
checkpoint_every = 2
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A packed data set, its source folders beside it, and a trained segmenter."""
    root = tmp_path_factory.mktemp("data")
    pack_blobs(root)
    (root / "tiny.toml").write_text(TINY)
    train(root, root / "run")
    return root


def train(root, out, *more):
    shards, config = root / "packed/train", root / "tiny.toml"
    main(["eval", "segmenter", "train", *map(str, (shards, out, "--config", config)), *more])


def measure(root, *more, labels=None):
    tiles = root / "source/tiles"
    labels = labels or root / "source/labels"
    main(["eval", "faithfulness", str(root / "run"), str(tiles), str(labels), *map(str, more)])


def refused(capsys, command, code=2):
    with pytest.raises(SystemExit) as stopped:
        command()
    assert stopped.value.code == code
    return capsys.readouterr().err


def test_it_trains_and_goes_on(data, capsys):
    before = (data / "run/model/model.safetensors").read_bytes()
    train(data, data / "run", "--run.steps", "6")
    assert (data / "run/model/model.safetensors").read_bytes() != before
    with (data / "run/config.toml").open("rb") as file:
        assert tomllib.load(file)["run"]["steps"] == 6
    train(data, data / "run", "--run.steps", "6")


def test_a_dry_run_tells_the_settings_and_does_nothing(data, tmp_path, capsys):
    train(data, tmp_path / "new", "--dry-run", "--loss.dice", "0.5")
    settings = tomllib.loads(capsys.readouterr().out)
    assert settings["loss"]["dice"] == 0.5
    assert settings["network"]["base_channels"] == 4
    assert settings["run"]["folder"] == str(tmp_path / "new")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "SHARDS is missing"),
        (["packed"], "OUT is missing"),
        (["packed", "out", "--data.shards", "x"], "are the same"),
        (["packed", "out", "--network.halvings", "0"], "network.halvings = 0"),
        (["nowhere", "out"], "nowhere"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(arguments, message, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert message in refused(capsys, lambda: main(["eval", "segmenter", "train", *arguments]))


def test_an_unknown_setting_has_its_nearest_name(data, tmp_path, capsys):
    (tmp_path / "wrong.toml").write_text("[network]\nhalving = 2\n")
    arguments = ["eval", "segmenter", "train", "a", "b", "--config", str(tmp_path / "wrong.toml")]
    assert "did you mean network.halvings?" in refused(capsys, lambda: main(arguments))


def test_faithfulness_prints_a_table_and_writes_its_result(data, tmp_path, capsys):
    measure(data, "--real", data / "packed/train", "--json", tmp_path / "result.json")
    printed = capsys.readouterr().out
    assert "dice, epithelium" in printed
    assert "synthetic - real" in printed
    assert "was trained on these very real tiles" in printed
    result = json.loads((tmp_path / "result.json").read_text())
    assert result["kind"] == "faithfulness"
    assert result["inputs"]["segmenter"]["sha256"]
    assert len(result["numbers"]) == 3 * (2 * 4 + 3)


def test_what_has_no_interval_points_at_a_note(data, tmp_path, capsys):
    for folder in ("tiles", "labels"):
        (tmp_path / folder).mkdir()
        file = f"{folder}/tile-00.png"
        (tmp_path / file).write_bytes((data / "source" / file).read_bytes())
    tiles, labels = tmp_path / "tiles", tmp_path / "labels"
    main(["eval", "faithfulness", *map(str, (data / "run", tiles, labels))])
    printed = capsys.readouterr().out
    assert "(1) no interval from a single label map" in printed
    (accuracy,) = [line for line in printed.splitlines() if "pixel accuracy" in line]
    assert "(1)" in accuracy
    assert "[" not in accuracy


def test_label_maps_may_be_those_of_shards(data, capsys):
    measure(data, labels=data / "packed/train")
    assert "12 groups" in capsys.readouterr().out


def test_bad_tiles_are_named_and_the_exit_code_says_so(data, tmp_path, capsys):
    from PIL import Image

    tiles = data / "source/tiles"
    extra = tiles / "nobody.png"
    extra.write_bytes(png_bytes(Image.new("RGB", (64, 64))))
    try:
        assert "nobody.png has no label map" in refused(capsys, lambda: measure(data))
        told = refused(capsys, lambda: measure(data, "--on-bad-tile", "skip"), code=1)
        assert "1 tiles or label maps cannot be used" in told
    finally:
        extra.unlink()


def test_what_is_no_segmenter_is_told(data, capsys):
    command = ["eval", "faithfulness", *map(str, (data, data / "source/tiles", data))]
    assert "is no segmenter" in refused(capsys, lambda: main(command))
