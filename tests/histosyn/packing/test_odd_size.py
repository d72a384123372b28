"""Of tiles of several sizes the one unlike most is named, wherever it stands."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from tissue import SCHEMA, write_folders

from histosyn.packing.config import PackConfig
from histosyn.packing.pack import pack
from hpc.errors import DatasetError


def resize(tiles: Path, labels: Path, number: int, size: tuple[int, int]) -> None:
    for folder in (tiles, labels):
        path = folder / f"tile-{number:02d}.png"
        image = Image.open(path)
        image.resize(size, Image.Resampling.NEAREST).save(path)


@pytest.mark.parametrize("odd", [0, 1, 5])
def test_the_odd_one_out_is_named(tmp_path: Path, odd: int) -> None:
    tiles, labels = write_folders(tmp_path, count=6, size=32)
    resize(tiles, labels, odd, (48, 64))
    match = f"^tile-0{odd} is 48x64 pixels, 5 others are 32x32"
    with pytest.raises(DatasetError, match=match):
        pack(tiles, labels, tmp_path / "out", SCHEMA, PackConfig(), processes=1)


def test_several_odd_ones_are_counted(tmp_path: Path) -> None:
    tiles, labels = write_folders(tmp_path, count=5, size=32)
    resize(tiles, labels, 0, (48, 64))
    resize(tiles, labels, 1, (16, 16))
    with pytest.raises(DatasetError, match=r"tile-00 .* 3 others are 32x32 \(and 1 more differ\)"):
        pack(tiles, labels, tmp_path / "out", SCHEMA, PackConfig(), processes=1)


def test_sizes_are_those_after_resampling(tmp_path: Path) -> None:
    tiles, labels = write_folders(tmp_path, count=4, size=32)
    resize(tiles, labels, 0, (64, 64))
    table = tmp_path / "groups.csv"
    rows = "".join(f"tile-{n:02d},{n},{0.25 if n == 1 else 0.5}\n" for n in range(4))
    table.write_text("tile,patient,mpp\n" + rows)
    config = PackConfig(mpp=1.0, groups=table)
    match = r"tile-00 is 32x32 pixels, 2 others are 16x16 \(and 1 more"
    with pytest.raises(DatasetError, match=match):
        pack(tiles, labels, tmp_path / "out", SCHEMA, config, processes=1)
