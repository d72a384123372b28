"""`histosyn eval c2st`, as users call it."""

import json

import numpy as np
import pytest
from marks import is_marked
from PIL import Image

from launch.cli import main

pytest.importorskip("sklearn", reason="needs the extra `c2st`")


@pytest.fixture
def folders(tmp_path):
    for seed, name in enumerate(("real", "synthetic")):
        (tmp_path / name).mkdir()
        tiles = np.random.default_rng(seed).integers(0, 200 + 50 * seed, (12, 32, 32, 3), np.uint8)
        for number, tile in enumerate(tiles):
            Image.fromarray(tile).save(tmp_path / name / f"{number}.png")
    return [str(tmp_path / "real"), str(tmp_path / "synthetic")]


def refused(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["eval", "c2st", *arguments])
    assert stop.value.code == 2
    return capsys.readouterr().err


def test_a_table_a_result_and_a_sheet(folders, tmp_path, capsys):
    path, sheet = tmp_path / "c2st.json", tmp_path / "sheet.png"
    main(["eval", "c2st", *folders, "--extractor", "random", "--json", str(path),
          "--sheet", str(sheet)])  # fmt: skip

    shown = capsys.readouterr().out
    result = json.loads(path.read_text())
    assert "texture, scale 1/2" in shown
    assert "12 tiles of 32x32 pixels" in shown
    assert "undefined: tiles of 32x32 pixels are narrower" in shown
    assert (result["kind"], result["settings"]["extractor"]) == ("c2st", "random")
    assert len(result["numbers"]) == 8
    with Image.open(sheet) as image:
        assert image.width > 1000
    assert is_marked(sheet)


def test_a_damaged_tile_is_named_or_left_out(folders, tmp_path, capsys):
    (tmp_path / "synthetic/3.png").write_bytes(b"damaged")
    assert "3.png" in refused([*folders, "--extractor", "random"], capsys)
    with pytest.raises(SystemExit) as stop:
        main(["eval", "c2st", *folders, "--extractor", "random", "--on-bad-tile", "skip"])
    assert stop.value.code == 1
    assert "1 tiles cannot be measured" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--extractor", "other"], "No extractor is called 'other'"),
        (["--groups", "missing.csv"], "missing.csv"),
        (["--model", "missing"], "missing"),
    ],
)
def test_what_is_wrong_is_told(folders, options, told, capsys):
    assert told in refused([*folders, *options], capsys)
