"""`histosyn pack` and `doctor` on what QuPath exports, with as few options as may be."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from slides import feature, rectangle, tissue, write_geojson, write_slide

from launch.cli import main


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def made_by(out: str) -> dict:
    return json.loads(Path(out, "train/dataset.json").read_text())["made_by"]


def export(downsample: float = 2) -> None:
    """A TileExporter folder: tiles as JPEG, label maps as palette PNG, 0 for no label."""
    Path("export").mkdir(exist_ok=True)
    labels = np.zeros((64, 64), np.uint8)
    labels[8:40, 4:30], labels[20:60, 20:62] = 1, 2
    for number, (slide, x) in enumerate((("S1", 0), ("S1", 128), ("S2", 0))):
        name = f"export/{slide} [d={downsample:g},x={x},y=0,w=128,h=128]"
        Image.fromarray(tissue(64, 64, number)).save(f"{name}.jpg", quality=95)
        image = Image.fromarray(labels)
        image.putpalette([0, 0, 0, 200, 0, 0, 150, 200, 150])
        image.save(f"{name}.png")
    Path("export/S1-tiles.json").write_text("{}")


def slides() -> None:
    for name in ("a", "b"):
        write_slide(Path(f"slides/{name}.tif"), tissue(256, 256, ord(name)))
        write_geojson(
            Path(f"drawn/{name}.geojson"),
            feature("Tumor", rectangle(0, 0, 200, 120)),
            feature("Stroma", rectangle(64, 90, 256, 256)),
        )


def test_an_export_needs_no_option(capsys: pytest.CaptureFixture[str]) -> None:
    export()
    main(["doctor", "export", "--unlabelled", "0"])
    shown = capsys.readouterr().out
    assert "In export, JPEGs are taken for tiles" in shown
    assert "By the names that QuPath gave, 2 slides are the groups: S1, S2." in shown
    assert "3 pairs. Training may start." in shown

    main(["pack", "export", "packed", "--unlabelled", "0", "--base-mpp", "0.25", "--processes=1"])
    shown = capsys.readouterr().out
    assert "those of the slides, 0.25, times the downsample in the names (2)" in shown
    assert "Each tile was a group of its own" not in shown
    index = json.loads(Path("packed/train/dataset.json").read_text())
    assert index["mpp"] == 0.5
    assert len(index["schema"]["classes"]) == 2
    assert index["schema"]["ignore"] == 0
    assert index["class_pixels"] == [3 * 632, 3 * 1680]


def test_what_the_schema_of_an_export_becomes_reads_it_again() -> None:
    export()
    main(["pack", "export", "packed", "--unlabelled", "0", "--processes=1"])
    again = ["--schema", "packed/schema.toml", "--processes=1"]
    main(["pack", "export", "again", *again])

    one, other = (json.loads(Path(out, "train/dataset.json").read_text())
                  for out in ("packed", "again"))  # fmt: skip
    assert one["shards"] == other["shards"]
    assert one["class_pixels"] == other["class_pixels"]


def test_unlabelled_is_not_for_colours(capsys: pytest.CaptureFixture[str]) -> None:
    export()
    for path in Path("export").glob("*.png"):
        Image.open(path).convert("RGB").save(path)
    with pytest.raises(SystemExit, match="2"):
        main(["pack", "export", "packed", "--unlabelled", "0", "--processes=1"])
    assert "--unlabelled 0 is for label maps by index" in capsys.readouterr().err


def test_slides_need_a_size_only(capsys: pytest.CaptureFixture[str]) -> None:
    slides()
    main(["doctor", "slides", "drawn"])
    assert "2 slides. Training may start." in capsys.readouterr().out
    assert 'name = "Stroma"' in Path("schema.toml").read_text()

    main(["pack", "slides", "drawn", "packed", "--mpp=0.5", "--tile-size=64", "--processes=1"])
    shown = capsys.readouterr().out
    assert "the classes of the annotations are taken (Stroma, Tumor)" in shown
    assert Path("packed/schema.toml").is_file()
    assert {"openslide", "openslide_python"} <= set(made_by("packed"))
    # All in one folder.
    for path in Path("drawn").iterdir():
        path.rename(Path("slides", path.name))
    main(["pack", "slides", "one", "--mpp=0.5", "--tile-size=64", "--processes=1"])
    assert Path("one/train/shard-000000.tar").read_bytes() == (
        Path("packed/train/shard-000000.tar").read_bytes()
    )


def test_every_option_for_slides_arrives() -> None:
    slides()
    options = {"tile_size": 32, "overlap": 8, "mpp": 0.5, "unannotated": "Tumor",
               "overlaps": "schema", "min_tissue": 0.1, "seed": 3, "samples_per_shard": 9,
               "tile_format": "jpg", "source_mpp": 0.3, "val": 0.4}  # fmt: skip
    words = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
    main(["pack", "slides", "drawn", "packed", *words, "--processes=1"])

    config = made_by("packed")["config"]
    assert {name: config[name] for name in options} == options
    assert Path("packed/val/dataset.json").is_file()


def test_the_rest_is_packed_and_the_exit_code_tells(capsys: pytest.CaptureFixture[str]) -> None:
    slides()
    Path("slides/bad.svs").write_bytes(b"none")
    write_geojson(Path("drawn/bad.geojson"))
    with pytest.raises(SystemExit, match="1"):
        main(["pack", "slides", "drawn", "packed", "--tile-size=64", "--processes=1"])
    error = capsys.readouterr().err
    assert "slides/bad.svs is no slide that OpenSlide can open" in error
    assert "The rest is packed." in error
    assert made_by("packed")["slides_left_out"] == ["bad.svs"]


def test_parts_of_the_work(capsys: pytest.CaptureFixture[str]) -> None:
    slides()
    what = ["pack", "slides", "drawn", "packed", "--tile-size=64", "--processes=1"]
    for part in ("1/2", "2/2", "2/2"):
        main([*what, "--part", part])
    assert "Part 2/2: 0 pieces made, 1 already there." in capsys.readouterr().out
    assert not Path("packed").exists()
    main(what)
    main([*(word.replace("packed", "alone") for word in what)])
    for path in Path("packed").rglob("*.*"):
        alone = Path("alone", path.relative_to("packed"))
        assert path.is_dir() or path.read_bytes() == alone.read_bytes(), path


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["slides", "drawn"], "Name OUT, the folder to make, as well"),
        (["slides", "drawn", "out"], "--tile-size"),
        (["slides", "drawn", "out", "--tile-size=64", "--part=3/2"], "There is no part 3 of 2"),
        (["slides", "drawn", "out", "--tile-size=64", "--unlabelled=0"], "is for label maps"),
        (["slides", "drawn", "out", "--tile-size=999"], "too small for tiles of 999"),
        (["slides", "slides", "out"], "is to hold tiles and label maps"),
    ],
)
def test_what_does_not_go_together(
    capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    slides()
    with pytest.raises(SystemExit, match="2"):
        main(["pack", *words, "--processes=1"])
    assert said in capsys.readouterr().err
    assert not Path("out").exists()


def test_unannotated_is_not_for_tiles(capsys: pytest.CaptureFixture[str]) -> None:
    export()
    with pytest.raises(SystemExit, match="2"):
        main(["pack", "export", "out", "--unannotated=stroma"])
    assert "--unannotated and --overlaps are for slides" in capsys.readouterr().err
