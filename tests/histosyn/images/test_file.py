from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from encoding import empty_png, png_chunk
from PIL import Image

from histosyn.images.file import opened_header, opened_image, size_in_header
from histosyn.images.formats import FORMATS
from histosyn.images.limits import MAX_FILE_BYTES, MAX_PIXELS, MOST_JPEG_SCANS
from histosyn.images.tiles import read_tile
from hpc.errors import DatasetError

ROOT = Path(__file__).parents[3]
TILE = np.random.default_rng(0).integers(0, 256, (16, 24, 3), dtype=np.uint8)
EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\n%%EndComments\nshowpage\n%%EOF\n"
# With the table of contents that programs for DOS put before it.
IN_DOS = b"\xc5\xd0\xd3\xc6" + struct.pack("<6I", 28, len(EPS), 0, 0, 0, 0)


def saved(kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(TILE).save(buffer, kind, **options)
    return buffer.getvalue()


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

    monkeypatch.setattr("histosyn.images.file.open_regular_file", refuse)
    with pytest.raises(DatasetError, match=r"x\.png cannot be read.*Permission denied"):
        read_tile(tmp_path / "x.png")


def test_errors_of_the_reader_of_an_image_are_not_taken_for_the_files(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "x.png")
    with pytest.raises(ValueError, match="mine"), opened_image(tmp_path / "x.png", "x.png"):
        raise ValueError("mine")


@pytest.mark.parametrize("kind", [item.name for item in FORMATS])
def test_the_name_does_not_matter_but_the_first_bytes(tmp_path: Path, kind: str) -> None:
    (tmp_path / "x.eps").write_bytes(saved(kind))
    for source in (tmp_path / "x.eps", str(tmp_path / "x.eps"), saved(kind)):
        with opened_image(source, "x") as image:
            assert (image.format, image.size) == (kind, (24, 16))
        assert size_in_header(source) == (16, 24)


@pytest.mark.parametrize(
    "wrapped", [EPS, b"\xc5\xd0\xd3\xc6" + struct.pack("<6I", 30, 99, 0, 0, 0, 0) + EPS]
)
@pytest.mark.parametrize("name", ["x.png", "x.eps"])
def test_postscript_starts_no_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrapped: bytes, name: str
) -> None:
    ghostscript = tmp_path / "bin" / "gs"
    ghostscript.parent.mkdir()
    ghostscript.write_text(f"#!/bin/sh\ntouch {tmp_path}/started\n")
    ghostscript.chmod(0o755)
    monkeypatch.setenv("PATH", str(ghostscript.parent), prepend=os.pathsep)
    (tmp_path / name).write_bytes(wrapped)
    with pytest.raises(DatasetError, match="no image of a known kind, but PostScript inside"):
        read_tile(tmp_path / name)
    assert size_in_header(tmp_path / name) is None
    assert not (tmp_path / "started").exists()


@pytest.mark.parametrize("kind", ["PPM", "TGA", "ICO", "JPEG2000", "PCX", "SGI", "MSP", "EPS"])
def test_no_other_reader_of_pillows_is_asked(tmp_path: Path, kind: str) -> None:
    image = Image.fromarray(TILE).convert("1") if kind == "MSP" else Image.fromarray(TILE)
    image.save(tmp_path / "x.png", kind)
    with pytest.raises(DatasetError, match="no image of a known kind"):
        read_tile(tmp_path / "x.png")


def test_a_pointer_of_git_lfs_is_called_so(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(b"version https://git.example.org/spec/v1\noid sha256:0\n")
    with pytest.raises(DatasetError, match="a Git LFS pointer"):
        read_tile(tmp_path / "x.png")


def test_pipes_and_devices_are_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "zero.png").symlink_to("/dev/zero")
    for name in ("pipe.png", "zero.png"):
        with pytest.raises(DatasetError, match="device, pipe or socket, not a file"):
            read_tile(tmp_path / name)
        assert size_in_header(tmp_path / name) is None


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "x.tif"
    with path.open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)
    with pytest.raises(DatasetError, match=r"x\.tif has 1,073,741,825 bytes, more than"):
        read_tile(path)


def test_a_text_that_unpacks_to_very_much_is_refused() -> None:
    data = saved("PNG")
    bomb = png_chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(1 << 26)))
    with pytest.raises(DatasetError, match="cannot be read as an image"):
        read_tile(data[:33] + bomb + data[33:], "x")


def test_a_tiff_whose_tiles_claim_an_absurd_size_is_refused() -> None:
    data = saved("TIFF")
    directory = int.from_bytes(data[4:8], "little")
    count = int.from_bytes(data[directory : directory + 2], "little")
    entries = data[directory + 2 : directory + 2 + 12 * count]
    more = b"".join(struct.pack("<HHII", tag, 4, 1, 1 << 15) for tag in (322, 323))
    place = len(data)
    data = data[:4] + struct.pack("<I", place) + data[8:]
    data += struct.pack("<H", count + 2) + entries + more + bytes(4)
    with pytest.raises(DatasetError, match="claims more than|cannot be read|cannot be understood"):
        read_tile(data, "x")


def test_a_jpeg_of_very_many_scans_is_refused() -> None:
    data = saved("JPEG", progressive=True)
    end = data.rindex(b"\xff\xd9")
    scan = data[data.index(b"\xff\xda") : end]
    assert read_tile(data, "x").shape == (16, 24, 3)
    with pytest.raises(DatasetError, match="more than 200 scans"):
        read_tile(data[:end] + MOST_JPEG_SCANS * scan + data[end:], "x")


def test_a_header_is_no_promise_about_pixels() -> None:
    data = saved("PNG")
    with opened_header(data[: len(data) // 2], "x") as image:
        assert image.size == (24, 16)
    with pytest.raises(DatasetError, match="x does not exist"), opened_header(Path("no/x"), "x"):
        pass


@pytest.mark.parametrize(
    "value, outcome",
    [("500000000", "500000000"), ("many", "not a number of pixels"), ("0", "not a")],
)
def test_who_has_larger_images_may_raise_the_limit(value: str, outcome: str) -> None:
    code = "from histosyn.images.limits import MAX_PIXELS; print(MAX_PIXELS)"
    environment = os.environ | {"HISTOSYN_MAX_PIXELS": value}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, cwd=ROOT
    )
    assert outcome in done.stdout + done.stderr
