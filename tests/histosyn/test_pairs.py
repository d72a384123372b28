from __future__ import annotations

from pathlib import Path

import pytest

from histosyn.pairs import pair_folders
from hpc.errors import DatasetError, InputError


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def test_pairs_by_stem_whatever_the_suffix(tmp_path: Path) -> None:
    tiles = touch(tmp_path / "t", "b.jpg", "sub/a.TIF", "only.png")
    labels = touch(tmp_path / "l", "b.png", "sub/a.png", "lonely.bmp")
    pairing = pair_folders(tiles, labels)
    assert [pair.key for pair in pairing.pairs] == ["b", "sub/a"]
    assert [path.name for path in pairing.tiles_without_label] == ["only.png"]
    assert [path.name for path in pairing.labels_without_tile] == ["lonely.bmp"]


def test_errors_say_which_folder(tmp_path: Path) -> None:
    full, empty = touch(tmp_path / "t", "a.png"), tmp_path / "e"
    empty.mkdir()
    with pytest.raises(DatasetError, match=r"folder of label maps: .*e holds no image"):
        pair_folders(full, empty)
    with pytest.raises(InputError, match="folder of tiles: .*nope does not exist"):
        pair_folders(tmp_path / "nope", full)
    with pytest.raises(InputError, match="is a file, not a folder"):
        pair_folders(full / "a.png", full)
    with pytest.raises(DatasetError, match="same name but for the suffix"):
        pair_folders(touch(tmp_path / "d", "a.png", "a.jpg"), full)
