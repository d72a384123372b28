from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from histosyn.images import find_images, png_bytes, read_png_text, read_tile
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


def test_a_tiny_file_that_claims_60000_pixels_a_side_is_refused(tmp_path: Path) -> None:
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)

    def chunk(kind: bytes, data: bytes) -> bytes:
        length, checksum = struct.pack(">I", len(data)), struct.pack(">I", zlib.crc32(kind + data))
        return length + kind + data + checksum

    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b""))
    path = tmp_path / "bomb.png"
    path.write_bytes(bomb)
    with pytest.raises(DatasetError, match=r"bomb\.png claims"):
        read_tile(path)


def test_flipped_bytes_are_an_error_or_an_image_but_never_a_crash(tmp_path: Path) -> None:
    data = png_bytes(Image.fromarray(np.zeros((16, 16, 3), np.uint8)))
    path = tmp_path / "x.png"
    for position in range(8, len(data)):
        path.write_bytes(data[:position] + bytes([data[position] ^ 0xFF]) + data[position + 1 :])
        try:
            assert read_tile(path).shape[2] == 3
        except DatasetError as error:
            assert "x.png" in str(error)
