"""Whatever lies in a folder, doctor answers in sentences."""

import io
import os
import socket
import struct
import zlib
from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from histosyn.doctor.look import look_at
from histosyn.labels import load_schema
from histosyn.pairs import Pair
from hpc.errors import DatasetError

SCHEMA = load_schema("prostate-3")


def _png_that_claims(width, height):
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = b""
    for kind, data in ((b"IHDR", head), (b"IDAT", zlib.compress(b"\0")), (b"IEND", b"")):
        chunks += struct.pack(">I", len(data)) + kind + data
        chunks += struct.pack(">I", zlib.crc32(kind + data))
    return b"\x89PNG\r\n\x1a\n" + chunks


@pytest.mark.parametrize(
    "data",
    [b"", b"\x89PNG\r\n\x1a\n", _png_that_claims(60_000, 60_000), _png_that_claims(20_000, 8_000),
     _png_that_claims(16, 16)],
    ids=["nothing", "signature", "huge", "large", "pixels missing"],
)  # fmt: skip
@pytest.mark.parametrize("schema", ["given", "none"])
def test_files_that_are_no_images_are_findings(folders, data, schema):
    arguments = {} if schema == "given" else {"schema": None}
    (folders.tiles / "0001.png").write_bytes(data)
    (folders.labels / "0002.png").write_bytes(data)
    tile, label = folders.examined(**arguments).findings
    assert (tile.what, tile.count) == ("tiles that cannot be read", 1)
    assert (label.what, label.count) == ("label maps that cannot be read", 1)
    assert tile.where[0].startswith("0001.png")
    assert label.where[0].startswith("0002.png")


def test_nothing_readable_means_no_proposal_but_findings(folders):
    for path in folders.labels.iterdir():
        path.write_bytes(b"")
    diagnosis = folders.examined(schema=None)
    assert diagnosis.schema is None
    assert diagnosis.class_pixels == ()
    assert diagnosis.as_json()["schema"] is None
    assert [item.count for item in diagnosis.findings] == [4]


def test_folders_and_sockets_named_like_images_are_no_files(folders, monkeypatch):
    (folders.tiles / "folder.png").mkdir()
    monkeypatch.chdir(folders.labels)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket.png")
        os.mkfifo("pipe.png")
        assert folders.examined().findings == ()


@contextmanager
def as_nobody(folder):
    """As a user who may read what all may: root may read everything."""
    if os.geteuid() != 0:
        yield
        return
    for path in (folder.parent, *folder.parents):
        if path.stat().st_uid == os.geteuid():
            path.chmod(path.stat().st_mode | 0o055)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_files_and_folders_without_permission(folders):
    assert folders.examined().findings == ()  # imports all that is needed, too
    (folders.tiles / "0001.png").chmod(0)
    with as_nobody(folders.tiles):
        assert folders.finding().what == "tiles that cannot be read"
    (folders.tiles / "closed").mkdir(mode=0)
    with as_nobody(folders.tiles), pytest.raises(DatasetError, match="cannot be searched"):
        folders.examined()


def test_two_files_of_a_name_are_one_sentence(folders):
    folders.put_tile("0001.bmp", folders.noise())
    with pytest.raises(DatasetError, match="same name"):
        folders.examined()


def test_a_file_that_vanishes_during_the_pass_is_a_finding(folders):
    def track(looks, total):
        (folders.tiles / "0002.png").unlink()
        return looks

    assert "does not exist" in folders.finding(track=track).where[0]


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    """The bytes of small images of every type, and a folder to put them into."""
    random = np.random.default_rng(0)
    tile = Image.fromarray(random.integers(0, 256, (24, 24, 3), dtype=np.uint8))
    made = {}
    for suffix, format_, options in (
        ("png", "PNG", {"dpi": (50_000, 50_000)}), ("jpg", "JPEG", {}), ("bmp", "BMP", {}),
        ("tif", "TIFF", {"compression": "tiff_lzw", "dpi": (50_000, 50_000)}),
        ("tiff", "TIFF", {"compression": "tiff_adobe_deflate"}),
    ):  # fmt: skip
        for name, image in (("rgb", tile), ("p", tile.quantize(4))):
            if not (format_ == "JPEG" and name == "p"):
                buffer = io.BytesIO()
                image.save(buffer, format_, **options)
                made[f"{name}.{suffix}"] = buffer.getvalue()
    return tmp_path_factory.mktemp("samples"), made


@settings(max_examples=300)
@given(st.data())
def test_damage_anywhere_is_never_more_than_a_finding(samples, data):
    folder, made = samples
    name = data.draw(st.sampled_from(sorted(made)))
    damaged = bytearray(made[name])
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(
            st.integers(0, min(len(damaged), 400) - 1) | st.integers(0, len(damaged) - 1)
        )
        damaged[place] = data.draw(st.integers(0, 255))
    path = folder / name
    path.write_bytes(damaged[: data.draw(st.integers(1, len(damaged)) | st.just(len(damaged)))])
    pair = Pair(key=path.stem, tile=path, label=path)
    for schema in (SCHEMA, None):
        look = look_at(pair, schema)
        assert (look.tile.flaw is None) == (look.tile.size is not None)
        assert (look.label.flaw is None) == (look.label.size is not None)


def test_a_decoder_that_stumbles_in_an_unforeseen_way_is_a_finding(folders, monkeypatch):
    """Pillow answers some flipped bytes of TIFF files with a TypeError."""

    def stumble(*arguments):
        raise TypeError("'bytes' object cannot be interpreted as an integer")

    monkeypatch.setattr(Image.Image, "load", stumble)
    whats = [item.what for item in folders.examined(schema=None).findings]
    assert whats == ["tiles that cannot be read", "label maps that cannot be read"]
