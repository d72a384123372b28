from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from histosyn.image_file import opened_image
from histosyn.image_folder import find_images
from histosyn.image_limits import MAX_PIXELS
from histosyn.images import png_bytes, read_png_text, read_tile
from hpc.errors import DatasetError


def test_find_images_any_suffix_any_case_below_and_sorted(tmp_path: Path) -> None:
    names = ["b.PNG", "a/z.jpg", "a/y.TIFF", "c.bmp"]
    for name in [*names, "notes.txt", ".hidden.png", ".git/x.png"]:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    found = [path.relative_to(tmp_path).as_posix() for path in find_images(tmp_path)]
    assert found == sorted(names)


def test_png_text_travels_and_bytes_repeat(tmp_path: Path) -> None:
    image = Image.fromarray(np.arange(48, dtype=np.uint8).reshape(4, 4, 3))
    first, second = (png_bytes(image, {"histosyn": "γ"}) for _ in range(2))
    assert first == second
    (tmp_path / "x.png").write_bytes(first)
    assert read_png_text(tmp_path / "x.png") == {"histosyn": "γ"}
    assert read_png_text(tmp_path / "none.png") == {}


@pytest.mark.parametrize("mode, match", [("L", "mode L"), ("I;16", "mode I;16"), ("CMYK", "CMYK")])
def test_a_tile_is_8_bit_rgb(tmp_path: Path, mode: str, match: str) -> None:
    path = tmp_path / "tile.tif"
    Image.new(mode, (4, 4)).save(path)
    with pytest.raises(DatasetError, match=match):
        read_tile(path)


def test_alpha_must_be_opaque(tmp_path: Path) -> None:
    Image.new("RGBA", (4, 4), (1, 2, 3, 255)).save(tmp_path / "opaque.png")
    assert read_tile(tmp_path / "opaque.png").shape == (4, 4, 3)
    Image.new("RGBA", (4, 4), (1, 2, 3, 254)).save(tmp_path / "clear.png")
    with pytest.raises(DatasetError, match="transparent"):
        read_tile(tmp_path / "clear.png")


def empty_png(path: Path, width: int, height: int) -> Path:
    """A file of a few bytes whose header claims a size; it has no pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        length, checksum = struct.pack(">I", len(data)), struct.pack(">I", zlib.crc32(kind + data))
        return length + kind + data + checksum

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")))
    return path


@pytest.mark.parametrize("size", [(60_000, 60_000), (MAX_PIXELS, 2), (1 << 14, (1 << 13) + 1)])
def test_a_tiny_file_that_claims_an_absurd_size_is_refused(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    path = empty_png(tmp_path / "bomb.png", *size)
    with pytest.raises(DatasetError, match=r"bomb\.png claims more than 134,217,728 pixels"):
        read_tile(path)


def test_our_limit_acts_before_pillows() -> None:
    assert Image.MAX_IMAGE_PIXELS < MAX_PIXELS < 2 * Image.MAX_IMAGE_PIXELS


def test_a_size_at_the_limit_is_not_refused(tmp_path: Path) -> None:
    """This file has no pixels, so it fails for another reason."""
    path = empty_png(tmp_path / "large.png", 1 << 14, 1 << 13)
    with pytest.raises(DatasetError, match=r"large\.png cannot be read"):
        read_tile(path)


@pytest.mark.parametrize("width", [100, 1 << 14, 60_000])
def test_text_of_a_damaged_or_absurd_png_is_empty(tmp_path: Path, width: int) -> None:
    assert read_png_text(empty_png(tmp_path / "x.png", width, 1 << 13)) == {}


def test_no_regular_file_is_no_image(tmp_path: Path) -> None:
    (tmp_path / "x.png").mkdir()
    with pytest.raises(DatasetError, match=r"x\.png cannot be read as an image"):
        read_tile(tmp_path / "x.png")
    with pytest.raises(DatasetError, match=r"y\.png does not exist"):
        read_tile(tmp_path / "y.png")


def test_a_file_without_permission_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("histosyn.image_file.open_regular_file", refuse)
    with pytest.raises(DatasetError, match=r"x\.png cannot be read.*Permission denied"):
        read_tile(tmp_path / "x.png")


def test_errors_of_the_reader_of_an_image_are_not_taken_for_the_files(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "x.png")
    with pytest.raises(ValueError, match="mine"), opened_image(tmp_path / "x.png", "x.png"):
        raise ValueError("mine")


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_tiles_may_be_written_to(tmp_path: Path, mode: str) -> None:
    Image.new("RGB", (4, 4)).convert(mode).save(tmp_path / "x.png")
    assert read_tile(tmp_path / "x.png").flags.writeable


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

    monkeypatch.setattr("histosyn.image_folder.os.scandir", refuse)
    with pytest.raises(DatasetError, match=r"cannot be searched \(Permission denied\)"):
        find_images(tmp_path)


def test_flipped_bytes_are_an_error_or_an_image_but_never_a_crash(tmp_path: Path) -> None:
    data = png_bytes(Image.fromarray(np.zeros((16, 16, 3), np.uint8)))
    path = tmp_path / "x.png"
    for position in range(8, len(data)):
        path.write_bytes(data[:position] + bytes([data[position] ^ 0xFF]) + data[position + 1 :])
        try:
            assert read_tile(path).shape[2] == 3
        except DatasetError as error:
            assert "x.png" in str(error)


@given(st.integers(0, 10**6), st.integers(0, 7))
def test_no_flipped_bit_of_a_png_goes_unseen(place: int, bit: int) -> None:
    """Pillow decodes many of them without a word: a PNG's checksums are there to be compared."""
    noise = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    data = bytearray(png_bytes(Image.fromarray(noise)))
    data[place % len(data)] ^= 1 << bit
    try:
        tile = read_tile(bytes(data), "tile")
    except DatasetError:
        return
    assert np.array_equal(tile, noise)  # nothing but the end mark was hit


def test_a_png_whose_end_was_lost_is_damaged(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    data = png_bytes(Image.fromarray(noise))
    for share in (0.1, 0.3, 0.7):
        zeros = int(len(data) * share)
        with pytest.raises(DatasetError, match="tile"):
            read_tile(data[:-zeros] + bytes(zeros), "tile")
