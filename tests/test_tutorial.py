"""`docs/tutorial.md`: its commands, as they stand there, on slides that are drawn."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from docs_blocks import blocks, words_of
from PIL import Image
from slides import write_slide

from histosyn.annotations.outlines import collection_text, feature_text, regions_of
from histosyn.labels.label_map import load_schema, read_label_map
from launch.cli import main

pytestmark = pytest.mark.slow
PAGE = Path(__file__).parents[1] / "docs" / "tutorial.md"
SIDE = 256


def commands() -> list[list[str]]:
    """What is to be run, in order; marked blocks are not."""
    return [words_of(line) for block in blocks(PAGE) for line in filter(block.is_run, block.lines)]


def draw_slides(folder: Path) -> None:
    """Four slides of phantom tissue, and their annotations as QuPath has them."""
    main(["phantom", str(folder / "phantom"), "--count", "4", "--size", str(SIDE)])
    schema = load_schema("prostate-3")
    (folder / "annotations").mkdir()
    for number, tile in enumerate(sorted((folder / "phantom/tiles").iterdir()), 1):
        write_slide(folder / f"slides/S{number}.tif", np.asarray(Image.open(tile)), mpp=0.5)
        labels = read_label_map(folder / "phantom/labels" / tile.with_suffix(".png").name, schema)
        regions = regions_of(labels, len(schema))
        texts = collection_text(feature_text(region, schema) for region in regions)
        (folder / f"annotations/S{number}.geojson").write_text("".join(texts))


def smaller(path: Path) -> None:
    """The settings of a run that is over in seconds."""
    text = path.read_text("utf-8")
    for name, value in (("steps", 2), ("base_channels", 4), ("sample_every", 1), ("upsamplings", 4),
                        ("report_every", 1), ("recalibrate_batches", 1), ("workers", 0),
                        ("layers", 3), ("scales", 1)):  # fmt: skip
        text, count = re.subn(rf"(?m)^(?:# )?{name} = .*$", f"{name} = {value}", text)
        assert count, name
    path.write_text(text, "utf-8")


def test_every_command_of_the_tutorial_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    draw_slides(tmp_path)
    for program, *words in commands():
        assert program == "histosyn"
        try:
            main(words)
        except SystemExit as stop:
            raise AssertionError(f"{words}: {capsys.readouterr().err}") from stop
        if words[:2] == ["init", "train"]:
            smaller(tmp_path / "train.toml")
    for name in ("curves.svg", "report.html", "results/fid.json", "runs/first/model"):
        assert (tmp_path / name).exists(), name
    assert len(list((tmp_path / "tissue").glob("*.png"))) > 1
