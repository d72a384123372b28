from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from tissue import SCHEMA, write_folders

from launch.cli import main

LONG_NAME = "[red]smooth muscle[/] of the muscularis propria"


def test_what_was_packed_is_told_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder whose name is markup, class names too, in a console of 80 columns."""
    tiles, labels = write_folders(tmp_path, count=4, size=32)
    names = [LONG_NAME, *(item.name for item in SCHEMA.classes[1:])]
    schema = tmp_path / "schema.toml"
    schema.write_text(
        "".join(
            f"[[classes]]\nname = {json.dumps(name)}\ncolor = '{item.color}'\n"
            for name, item in zip(names, SCHEMA.classes, strict=True)
        )
    )
    out = tmp_path / "out[" / "x]"
    main(["pack", str(tiles), str(labels), str(out), "--schema", str(schema), "--val", "0.25"])
    shown = capsys.readouterr().out
    assert all(name in shown for name in names)
    assert f"Packed into {out}. Train with: histosyn train --data.shards '{out}/train'" in shown
    rows = [line.strip("│┃").replace("┃", "│").split("│") for line in shown.splitlines()]
    cells = [[cell.strip() for cell in row] for row in rows]
    assert ["train", "3", "3", "1"] in [row[:4] for row in cells]
    assert ["val", "1", "1", "1"] in [row[:4] for row in cells]
    assert ["index", "class", "train pixels", "train tiles", "val pixels", "val tiles"] in cells
    shares = [row[2::2] for row in cells if len(row) == 6 and row[1] in names]
    assert len(shares) == 4
    assert all(
        sum(float(cell.strip("%")) for cell in part) == pytest.approx(100, abs=0.3)
        for part in zip(*shares, strict=True)
    )


def test_a_data_set_without_labelled_pixels_has_no_shares(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiles, labels = write_folders(tmp_path, count=1, size=32)
    classes = "[[classes]]\nname='a'\ncolor='#000000'\n[[classes]]\nname='b'\ncolor='#ffffff'\n"
    (tmp_path / "s.toml").write_text("ignore = 255\n" + classes)
    Image.new("L", (32, 32), 255).save(labels / "tile-00.png")
    main(["pack", str(tiles), str(labels), str(tmp_path / "o"), "--schema", f"{tmp_path}/s.toml"])
    assert "0.00%" not in capsys.readouterr().out


def test_every_option_arrives(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, labels = write_folders(tmp_path, count=4, size=64)
    for path in list(labels.iterdir()):
        path.rename(folder / f"{path.stem}_mask.png")
    for path in list(folder.glob("tile-0?.png")):
        path.rename(folder / f"{path.stem}_he.png")
    Image.new("RGB", (64, 64), "white").save(folder / "tile-03_he.png")
    table = tmp_path / "facts.csv"
    rows = [f"tile-0{number}_he.png,s{number},{0.25 * (1 + number % 2)}" for number in range(4)]
    table.write_text("\n".join(["tile,slide,mpp", *rows]))
    asked = {
        "tile_size": 16, "overlap": 4, "source_mpp": 2.0, "mpp": 0.5, "group_column": "slide",
        "val": 0.3, "test": 0.3, "min_tissue": 0.5, "bright_to_class_0": 210, "tile_format": "jpg",
        "seed": 1, "samples_per_shard": 3,
    }  # fmt: skip
    options = [f"--{name.replace('_', '-')}={value}" for name, value in asked.items()]
    suffixes = ["--tile-suffix", "_he", "--label-suffix", "_mask"]
    out = tmp_path / "out"
    main(["pack", str(folder), str(folder), str(out), *options, *suffixes, "--groups", str(table),
          "--processes", "2"])  # fmt: skip
    made_by = json.loads((out / "train/dataset.json").read_text())["made_by"]
    naming = {"tile_suffix": "_he", "label_suffix": "_mask"}
    assert made_by["config"] == asked | {"groups": "facts.csv", "naming": naming}
    assert "Left out: 25 with less than 50% tissue." in capsys.readouterr().out


def test_no_process_is_too_few(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folders = map(str, write_folders(tmp_path, count=1, size=32))
    with pytest.raises(SystemExit, match="2"):
        main(["pack", *folders, str(tmp_path / "out"), "--processes", "0"])
    assert "--processes 0 must be at least 1" in capsys.readouterr().err


def test_help_loads_neither_torch_nor_webdataset() -> None:
    code = (
        "import sys; from launch.cli import main; main(['pack', '--help']); "
        "assert not {'torch', 'webdataset'} & set(sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert "--group-column" in run.stdout
