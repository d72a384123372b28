from __future__ import annotations

import re
import unicodedata
from pathlib import Path

import pytest

from histosyn.sources.pairs import Naming, images_by_key, may_name_a_sample, pair_folders
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


@pytest.mark.parametrize("forms", [("NFC", "NFD"), ("NFD", "NFC"), ("NFD", "NFD")])
def test_names_that_differ_in_their_unicode_form_only_are_equal(
    tmp_path: Path, forms: tuple[str, str]
) -> None:
    """A Mac writes an umlaut as two characters, Linux as one."""
    names = [unicodedata.normalize(form, "Drüse/Mäuse_1.png") for form in forms]
    pairing = pair_folders(touch(tmp_path / "t", names[0]), touch(tmp_path / "l", names[1]))
    assert [pair.key for pair in pairing.pairs] == ["Drüse/Mäuse_1"]
    assert not pairing.tiles_without_label + pairing.labels_without_tile
    one = touch(tmp_path / "x", names[0], unicodedata.normalize(forms[1], "Drüse/Mäuse_1_ä.png"))
    suffix = unicodedata.normalize("NFD", "_ä")
    assert len(pair_folders(one, one, Naming(label_suffix=suffix)).pairs) == 1


def test_two_forms_of_a_name_in_one_folder_are_one_name_too_many(tmp_path: Path) -> None:
    names = [unicodedata.normalize(form, "ü.png") for form in ("NFC", "NFD")]
    with pytest.raises(DatasetError, match="the same name but for the form of its accents"):
        images_by_key(touch(tmp_path, *names), "folder")


def test_a_folder_as_qupath_writes_it(tmp_path: Path) -> None:
    """Same stem, JPEG tiles and PNG label maps in one folder."""
    stems = [f"S1 A-3 [d=2.5,x={x},y=0,w=512,h=512]" for x in (0, 1280)]
    names = [f"{stem}.{kind}" for stem in stems for kind in ("jpg", "png")]
    folder = touch(tmp_path / "export", *names, "alone.JPG", "map.png")
    pairing = pair_folders(folder, folder)
    assert [(pair.key, pair.tile.suffix, pair.label.suffix) for pair in pairing.pairs] == [
        (stem, ".jpg", ".png") for stem in stems
    ]
    assert [path.name for path in pairing.tiles_without_label] == ["alone.JPG"]
    assert [path.name for path in pairing.labels_without_tile] == ["map.png"]


def test_types_as_suffixes(tmp_path: Path) -> None:
    folder = touch(tmp_path, "a.tif", "a.png", "b.TIF", "b.png", "c_he.tif", "c_he.png")
    pairing = pair_folders(folder, folder, Naming(tile_suffix=".tif", label_suffix=".png"))
    assert [pair.key for pair in pairing.pairs] == ["a", "b", "c_he"]
    pairing = pair_folders(folder, folder, Naming(tile_suffix="_he.tif", label_suffix="_he.png"))
    assert [pair.key for pair in pairing.pairs] == ["c"]
    assert len(pairing.others) == 4


@pytest.mark.parametrize(
    "names, advice",
    [
        (("a.tif", "a.png"), "--tile-suffix .tif --label-suffix .png or the other way round"),
        (("a.png", "a-mask.png"), "with and without -mask: pass --label-suffix -mask"),
        (("a.png", "a_mask.png"), "pass --label-suffix _mask"),
        (("a.png", "b.png"), "Say how the names of each end, for instance"),
    ],
)
def test_what_to_write_for_one_folder_is_told(
    tmp_path: Path, names: tuple[str, ...], advice: str
) -> None:
    folder = touch(tmp_path, *names)
    with pytest.raises(ConfigError, match=re.escape(advice)):
        pair_folders(folder, folder)


def test_what_looks_like_an_image_and_is_not_read_is_known(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tiles = touch(tmp_path / "t", "a.png", "b.svs", "c.webp", "d.jfif")
    labels = touch(tmp_path / "l", "a.png", "c.gif", "d.png", "e.npy")
    pairing = pair_folders(tiles, labels)
    assert [pair.key for pair in pairing.pairs] == ["a", "c", "d"]
    assert [path.name for path in pairing.unread] == ["e.npy", "b.svs"]
    images_by_key(labels, "folder")
    assert "1 file looks like an image and is not read (1 .npy)" in caplog.text
    only = touch(tmp_path / "x", "a.jp2", "b.jp2")
    with pytest.raises(DatasetError, match=r"holds no image .* 2 files look like images"):
        pair_folders(only, labels)
    with pytest.raises(DatasetError, match=r"holds no image .* 2 files look like images"):
        images_by_key(only, "folder")


@pytest.mark.parametrize(
    "key, may",
    [("a" * 225, True), ("a" * 226, False), ("ä" * 113, False), ("a/" * 90 + "b", False),
     ("a\\b", False), ("a\udcfcb", False), ("a\nb", False), ("S1 [d=2,x=0]", True)],
)  # fmt: skip
def test_what_may_name_a_sample(key: str, may: bool) -> None:
    assert may_name_a_sample(key) == may


def test_sides_that_cannot_be_told_apart(tmp_path: Path) -> None:
    folder = touch(tmp_path / "one", "a.png")
    (tmp_path / "link").symlink_to(folder)
    for naming in (Naming(), Naming(tile_suffix="x", label_suffix="x")):
        with pytest.raises(ConfigError, match="Say how the names of each end"):
            pair_folders(folder, tmp_path / "link", naming)
    with pytest.raises(DatasetError, match="folder of tiles: .* with a name that ends in '_he'"):
        pair_folders(folder, folder, Naming(tile_suffix="_he"))
