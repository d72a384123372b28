"""`histosyn eval memorization`, as users call it."""

import json

import numpy as np
import pytest
from marks import is_marked
from PIL import Image

from launch.cli import main


@pytest.fixture
def folders(tmp_path):
    for seed, name in enumerate(("training", "synthetic", "held_out")):
        (tmp_path / name).mkdir()
        tiles = np.random.default_rng(seed).integers(0, 255, (6, 4, 4, 3), np.uint8)
        for number, tile in enumerate(tiles):
            Image.fromarray(tile).resize((32, 32), 0).save(tmp_path / name / f"{number}.png")
    return [str(tmp_path / "training"), str(tmp_path / "synthetic"),
            "--held-out", str(tmp_path / "held_out")]  # fmt: skip


def test_a_table_a_result_and_a_sheet(folders, tmp_path, capsys):
    path, sheet = tmp_path / "m.json", tmp_path / "pairs.png"
    main(["eval", "memorization", *folders, "--extractor", "random", "--json", str(path),
          "--sheet", str(sheet)])  # fmt: skip
    shown = capsys.readouterr().out
    result = json.loads(path.read_text())
    assert "distance ratio features" in shown
    assert "Of 6 synthetic tiles" in shown
    assert "random network" in shown
    assert result["kind"] == "memorization"
    assert set(result["inputs"]) == {"training", "synthetic", "held_out"}
    with Image.open(sheet) as image:
        assert image.width > 1000
    assert is_marked(sheet)


@pytest.mark.parametrize("missing", [0, 1, 3])
def test_a_folder_that_is_not_there_is_one_message(folders, missing, capsys):
    folders[missing] += "-not"
    with pytest.raises(SystemExit) as stop:
        main(["eval", "memorization", *folders, "--extractor", "random"])
    assert stop.value.code == 2
    assert "-not" in capsys.readouterr().err
