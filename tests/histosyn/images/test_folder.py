from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from histosyn.images.folder import find_images, search_folder, unread_text
from histosyn.images.formats import IMAGE_SUFFIXES, UNREAD_SUFFIXES
from hpc.errors import DatasetError


def test_find_images_any_suffix_any_case_below_and_sorted(tmp_path: Path) -> None:
    names = ["b.PNG", "a/z.jpg", "a/y.TIFF", "c.bmp"]
    for name in [*names, "notes.txt", ".hidden.png", ".git/x.png"]:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    found = [path.relative_to(tmp_path).as_posix() for path in find_images(tmp_path)]
    assert found == sorted(names)


def test_linked_folders_are_searched_and_cycles_end(tmp_path: Path) -> None:
    store, data = tmp_path / "store", tmp_path / "data"
    for path in (store / "a.png", data / "b.png"):
        path.parent.mkdir()
        path.touch()
    (data / "slides").symlink_to(store)
    (data / "self").symlink_to(data)
    (store / "back").symlink_to(data)
    (data / "c.png").symlink_to(store / "a.png")
    found = [path.relative_to(data).as_posix() for path in find_images(data)]
    assert found == ["b.png", "c.png", "slides/a.png"]


@pytest.mark.parametrize("name, target", [("x.png", "gone"), ("x.png", "x.png"), ("slide", "gone")])
def test_a_link_that_leads_nowhere_is_named(tmp_path: Path, name: str, target: str) -> None:
    (tmp_path / name).symlink_to(tmp_path / target)
    with pytest.raises(DatasetError, match=f"{name} is a link that leads nowhere"):
        find_images(tmp_path)


def test_other_links_that_lead_nowhere_do_not_matter(tmp_path: Path) -> None:
    for name in ("notes.txt", ".x.png"):
        (tmp_path / name).symlink_to(tmp_path / "gone")
    assert find_images(tmp_path) == []


def test_a_folder_that_cannot_be_searched_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("histosyn.images.folder.os.scandir", refuse)
    with pytest.raises(DatasetError, match=r"cannot be searched \(Permission denied\)"):
        find_images(tmp_path)


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def test_every_kind_that_is_read_is_found_and_the_others_are_not_lost(tmp_path: Path) -> None:
    touch(tmp_path, *(f"a/x{suffix}" for suffix in IMAGE_SUFFIXES | UNREAD_SUFFIXES), "notes.txt")
    found = search_folder(tmp_path)
    assert {path.suffix for path in found.images} == IMAGE_SUFFIXES
    assert {path.suffix for path in found.unread} == UNREAD_SUFFIXES
    assert {".webp", ".jfif", ".gif"} < IMAGE_SUFFIXES
    assert not IMAGE_SUFFIXES & UNREAD_SUFFIXES


def test_a_suffix_that_is_asked_for_is_no_unread_one(tmp_path: Path) -> None:
    touch(tmp_path, "a.mat", "b.png")
    assert search_folder(tmp_path, IMAGE_SUFFIXES | {".mat"}).unread == ()
    assert [path.name for path in search_folder(tmp_path, frozenset({".mat"})).unread] == ["b.png"]


def test_what_is_not_read_is_told_with_its_number(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    touch(tmp_path, "a.JP2", "b.jp2", "c.svs", "d.png")
    with caplog.at_level(logging.WARNING):
        find_images(tmp_path)
    assert "3 files look like images and are not read (2 .jp2, 1 .svs), such as" in caplog.text
    assert "1 file looks like an image and is not read" in unread_text([tmp_path / "a.JP2"])


def test_a_pipe_that_is_called_an_image_is_told(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.png")
    touch(tmp_path, "b.png")
    found = search_folder(tmp_path)
    assert [path.name for path in found.images] == ["b.png"]
    assert [path.name for path in found.unread] == ["a.png"]
