"""QuPath's exports lie in one folder, tiles and label maps of the same names."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from histosyn.sources.naming import Naming
from histosyn.sources.pairs import pair_folders
from hpc.errors import ConfigError

NAMES = [f"S{i} [d=2.5,x=0,y=5105,w=5105,h=5105]" for i in (1, 2, 3)]


def tile(number: int) -> Image.Image:
    random = np.random.default_rng(number)
    return Image.fromarray(random.integers(90, 220, (24, 24, 3), dtype=np.uint8))


def labels(number: int) -> Image.Image:
    image = Image.fromarray(np.arange(24 * 24, dtype=np.uint8).reshape(24, 24) // 64)
    image.putpalette([255, 255, 255, 200, 0, 0, 150, 200, 150, 9, 9, 9])
    return image


def export(folder: Path, tile_end: str, label_end: str, names: list[str] = NAMES) -> Path:
    folder.mkdir(exist_ok=True)
    for number, name in enumerate(names):
        tile(number).save(folder / f"{name}{tile_end}")
        labels(number).save(folder / f"{name}{label_end}")
    (folder / "S1-tiles.json").write_text("{}")
    return folder


@pytest.mark.parametrize(
    ("tile_end", "label_end", "said"),
    [
        (".jpg", ".png", "JPEGs are taken for tiles"),
        (".jpg", ".tif", "JPEGs are taken for tiles"),
        (".png", ".tif", r"\.png files are taken for tiles and \.tif files .* what they hold"),
        (".tif", ".png", r"\.tif files are taken for tiles and \.png files .* what they hold"),
        (".png", "-labelled.png", "files that end with -labelled are taken for the label maps"),
    ],
)
def test_no_option_is_needed(tmp_path: Path, tile_end: str, label_end: str, said: str) -> None:
    folder = export(tmp_path / "export", tile_end, label_end)
    pairing = pair_folders(folder, folder)

    assert [pair.key for pair in pairing.pairs] == NAMES
    assert {pair.tile.name for pair in pairing.pairs} == {f"{name}{tile_end}" for name in NAMES}
    assert not pairing.tiles_without_label + pairing.labels_without_tile + pairing.others
    assert re.search(said, pairing.assumed)


def test_a_blank_tile_is_a_tile_among_others(tmp_path: Path) -> None:
    folder = export(tmp_path / "export", ".tif", ".png")
    Image.new("RGB", (24, 24), "white").save(folder / f"{NAMES[0]}.tif")

    assert pair_folders(folder, folder).pairs[0].tile.suffix == ".tif"


def test_channels_are_label_maps(tmp_path: Path) -> None:
    folder = export(tmp_path / "export", ".png", ".tif")
    masks = [Image.new("L", (24, 24), 255), Image.new("L", (24, 24))]
    for name in NAMES:
        masks[0].save(folder / f"{name}.tif", save_all=True, append_images=masks[1:])

    assert pair_folders(folder, folder).pairs[0].label.suffix == ".tif"


def test_nothing_is_assumed_where_it_was_said(tmp_path: Path) -> None:
    folder = export(tmp_path / "export", ".tif", ".png")
    naming = Naming(tile_suffix=".tif", label_suffix=".png")

    assert pair_folders(folder, folder, naming).assumed is None


@pytest.mark.parametrize("both", [tile, labels])
def test_two_types_that_hold_the_same_are_not_told_apart(tmp_path: Path, both: object) -> None:
    for number, name in enumerate(NAMES):
        for kind in (".png", ".tif"):
            both(number).save(tmp_path / f"{name}{kind}")

    with pytest.raises(ConfigError, match="--tile-suffix .tif --label-suffix .png or the other"):
        pair_folders(tmp_path, tmp_path)
