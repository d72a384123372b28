from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from encoding import empty_png
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from histosyn.images.tiles import png_bytes, read_png_text, read_tile
from hpc.errors import DatasetError


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


@pytest.mark.parametrize("width", [100, 1 << 14, 60_000])
def test_text_of_a_damaged_or_absurd_png_is_empty(tmp_path: Path, width: int) -> None:
    assert read_png_text(empty_png(tmp_path / "x.png", width, 1 << 13)) == {}


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_tiles_may_be_written_to(tmp_path: Path, mode: str) -> None:
    Image.new("RGB", (4, 4)).convert(mode).save(tmp_path / "x.png")
    assert read_tile(tmp_path / "x.png").flags.writeable


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
