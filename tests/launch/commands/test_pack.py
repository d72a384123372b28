from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tissue import SCHEMA, write_folders

from histosyn.labels.label_map import load_schema
from histosyn.shards.dataset import open_shards
from histosyn.shards.index_file import load_index
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


def test_what_a_table_has_too_much_is_told_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Packing looks at the folders twice: for the schema, and for the work."""
    tiles, labels = write_folders(tmp_path, count=2, size=32)
    table = tmp_path / "patients.csv"
    table.write_text("tile,patient,grade\ntile-00,A,1\ntile-01,B,2\n")
    main(["pack", str(tiles), str(labels), str(tmp_path / "o"), "--groups", str(table)])
    assert capsys.readouterr().err.count("left aside: grade") == 1


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
        "seed": 1, "samples_per_shard": 3, "objects_are": "epithelium",
    }  # fmt: skip
    options = ["--schema=prostate-3"]
    options += [f"--{name.replace('_', '-')}={value}" for name, value in asked.items()]
    suffixes = ["--tile-suffix", "_he", "--label-suffix", "_mask"]
    out = tmp_path / "out"
    main(["pack", str(folder), str(folder), str(out), *options, *suffixes, "--groups", str(table),
          "--processes", "2"])  # fmt: skip
    made_by = json.loads((out / "train/dataset.json").read_text())["made_by"]
    naming = {"tile_suffix": "_he", "label_suffix": "_mask"}
    others = {"base_mpp": None, "unlabelled": None, "unannotated": None, "overlaps": "later"}
    assert made_by["config"] == asked | others | {"groups": "facts.csv", "naming": naming}
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


def test_without_a_schema_the_one_that_was_proposed_is_told_and_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = write_folders(tmp_path, count=4, size=32)
    for path in folders[1].iterdir():
        Image.fromarray(np.arange(1024, dtype=np.uint8).reshape(32, 32) % 3).save(path)
    out = tmp_path / "out"
    main(["pack", *map(str, folders), str(out)])
    shown = capsys.readouterr().out
    assert "No schema was named" in shown
    assert f"packed as class-0, class-1, class-2, and the schema goes to {out}/schema.toml" in shown
    dataset = json.loads((out / "train/dataset.json").read_text())
    assert dataset["made_by"]["schema_from"] == "proposed"
    assert load_schema(out / "schema.toml").as_dict() == dataset["schema"]
    main(["pack", *map(str, folders), str(tmp_path / "again"), "--schema", f"{out}/schema.toml"])
    again = json.loads((tmp_path / "again/train/dataset.json").read_text())
    assert again["shards"] == dataset["shards"]
    assert again["made_by"]["schema_from"] == "named"
    assert not (tmp_path / "again/schema.toml").exists()


def test_a_schema_that_the_colours_tell_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = map(str, write_folders(tmp_path, count=4, size=32))
    main(["pack", *folders, str(tmp_path / "out")])
    assert "the colours of the label maps are those of prostate-3." in capsys.readouterr().out
    made_by = json.loads((tmp_path / "out/train/dataset.json").read_text())["made_by"]
    assert made_by["schema_from"] == "colours"


def test_masks_of_0_and_255_are_packed_as_they_are(tmp_path: Path) -> None:
    tiles, labels = write_folders(tmp_path, count=4, size=32)
    mask = np.arange(1024, dtype=np.uint8).reshape(32, 32) % 2
    for path in labels.iterdir():
        Image.fromarray(mask * np.uint8(255)).save(path)
    main(["pack", str(tiles), str(labels), str(tmp_path / "out")])
    reader = open_shards(tmp_path / "out/train")
    assert np.array_equal(reader.read(0, 0)[1], mask)
    assert reader.index.class_pixels == (4 * 512, 4 * 512)


def test_numbered_objects_are_refused_and_folded_when_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiles, labels = write_folders(tmp_path, count=6, size=32)
    for count, path in enumerate(sorted(labels.iterdir()), start=2):
        values = np.zeros((32, 32), dtype=np.uint8)
        for number in range(count):
            values[:8, 4 * number : 4 * number + 3] = number + 1
        Image.fromarray(values).save(path)
    call = ["pack", str(tiles), str(labels), str(tmp_path / "out"), "--schema", "colon-10"]
    with pytest.raises(SystemExit, match="2"):
        main(call)
    assert "number objects (instances)" in capsys.readouterr().err
    main([*call, "--objects-are", "blood"])
    dataset = json.loads((tmp_path / "out/train/dataset.json").read_text())
    assert dataset["made_by"]["config"]["objects_are"] == "blood"
    counted = dict(zip(map(str, range(11)), dataset["class_pixels"], strict=True))
    assert {name for name, pixels in counted.items() if pixels} == {"0", "5"}
    shown = capsys.readouterr().out
    assert "Classes that never occur: mature epithelium, " in shown


@pytest.mark.parametrize("command", ["pack", "doctor"])
@pytest.mark.parametrize("value", ["-labelled", "=-labelled"])
def test_a_suffix_may_begin_with_a_hyphen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, value: str
) -> None:
    """As QuPath calls label maps where they have the type of the tiles."""
    tiles, labels = write_folders(tmp_path, count=3, size=32)
    for path in list(labels.iterdir()):
        path.rename(tiles / f"{path.stem}-labelled.png")
    out = [str(tmp_path / "out")] if command == "pack" else []
    option = ["--label-suffix", value] if value[0] == "-" else [f"--label-suffix{value}"]
    monkeypatch.chdir(tmp_path)
    main([command, str(tiles), str(tiles), *out, *option, "--schema", "prostate-3"])
    assert command == "doctor" or (tmp_path / "out/train/dataset.json").is_file()


@pytest.mark.parametrize("option", ["--tile-suffix", "--label-suffix"])
def test_an_option_is_no_suffix(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["pack", str(tmp_path), str(tmp_path), "out", option, "--schema", "prostate-3"])
    assert stopped.value.code == 2
    assert "The suffix is missing: --schema is an option" in capsys.readouterr().err


def test_the_folder_that_qupath_writes_is_packed_as_it_is(tmp_path: Path) -> None:
    tiles, labels = write_folders(tmp_path, count=3, size=32)
    export = tmp_path / "export"
    export.mkdir()
    for number, path in enumerate(sorted(tiles.iterdir())):
        stem = f"S1 A-3 [d=2.5,x={number * 80},y=0,w=80,h=80]"
        Image.open(path).save(export / f"{stem}.jpg", quality=95)
        (labels / path.name).rename(export / f"{stem}.png")
    out = tmp_path / "out"
    main(["pack", str(export), str(export), str(out), "--schema", "prostate-3"])
    assert load_index(out / "train").class_pixels
    assert len(load_index(out / "train")) == 3


def test_files_that_are_not_read_are_told_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiles, labels = write_folders(tmp_path, count=3, size=32)
    (tiles / "more.jp2").touch()
    main(["pack", str(tiles), str(labels), str(tmp_path / "out"), "--schema", "prostate-3"])
    said = capsys.readouterr().err
    assert said.count("1 file looks like an image and is not read (1 .jp2)") == 1
