from __future__ import annotations

from pathlib import Path

import pytest

from histosyn.pairs import Naming, pair_folders
from hpc.errors import ConfigError, DatasetError, InputError


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


def test_one_folder_with_suffixes(tmp_path: Path) -> None:
    names = ["a_he.png", "a_mask.png", "sub/b_he.jpg", "sub/b_mask.PNG", "c_he.mat", "notes.png"]
    folder = touch(tmp_path / "one", *names, "_he.png", "d_mask.png")
    pairing = pair_folders(folder, folder, Naming(tile_suffix="_he", label_suffix="_mask"))
    assert [(pair.key, pair.tile.name, pair.label.name) for pair in pairing.pairs] == [
        ("a", "a_he.png", "a_mask.png"),
        ("sub/b", "b_he.jpg", "b_mask.PNG"),
    ]
    assert [path.name for path in pairing.tiles_without_label] == ["c_he.mat"]
    assert [path.name for path in pairing.labels_without_tile] == ["d_mask.png"]
    assert [path.name for path in pairing.others] == ["_he.png", "notes.png"]


@pytest.mark.parametrize(
    "naming, names",
    [
        (Naming(label_suffix="_mask"), ["a.png", "a_mask.png"]),
        (Naming(tile_suffix="-he"), ["a-he.png", "a.png"]),
        (Naming(tile_suffix="_x", label_suffix="_mask_x"), ["a_x.png", "a_mask_x.png"]),
    ],
)
def test_the_longer_suffix_decides(tmp_path: Path, naming: Naming, names: list[str]) -> None:
    folder = touch(tmp_path / "one", *names)
    pairing = pair_folders(folder, folder, naming)
    assert [(pair.key, pair.tile.name, pair.label.name) for pair in pairing.pairs] == [
        ("a", *names)
    ]
    assert not (pairing.tiles_without_label + pairing.labels_without_tile + pairing.others)


def test_a_suffix_is_the_names_of_one_side_only_in_one_folder(tmp_path: Path) -> None:
    """A tile of another folder may be called like a label map."""
    tiles = touch(tmp_path / "t", "a_mask.png", "a.png")
    labels = touch(tmp_path / "l", "a_mask.png", "a_mask_mask.png", "x.png")
    pairing = pair_folders(tiles, labels, Naming(label_suffix="_mask"))
    assert [pair.key for pair in pairing.pairs] == ["a", "a_mask"]
    assert pairing.others == (labels / "x.png",)


def test_sides_that_cannot_be_told_apart(tmp_path: Path) -> None:
    folder = touch(tmp_path / "one", "a.png")
    (tmp_path / "link").symlink_to(folder)
    for naming in (Naming(), Naming(tile_suffix="x", label_suffix="x")):
        with pytest.raises(ConfigError, match="Say how the names of each end"):
            pair_folders(folder, tmp_path / "link", naming)
    with pytest.raises(DatasetError, match="folder of tiles: .* with a name that ends in '_he'"):
        pair_folders(folder, folder, Naming(tile_suffix="_he"))
