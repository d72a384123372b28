"""Whatever lies in a folder, doctor answers in sentences."""

import io
import os
import socket
from pathlib import Path

import numpy as np
import pytest
from damage import png_that_claims
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from users import as_nobody

from histosyn.doctor.pair_summary import summarize_pair
from histosyn.labels.label_map import load_schema
from histosyn.sources.pairs import Pair
from hpc.errors import DatasetError

SCHEMA = load_schema("prostate-3")


@pytest.mark.parametrize(
    "data",
    [b"", b"\x89PNG\r\n\x1a\n", png_that_claims(60_000, 60_000), png_that_claims(20_000, 8_000),
     png_that_claims(16, 16)],
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


def test_folders_named_like_images_are_none_and_sockets_are_told(folders, monkeypatch):
    (folders.tiles / "folder.png").mkdir()
    monkeypatch.chdir(folders.labels)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket.png")
        os.mkfifo("pipe.png")
        (finding,) = folders.examined().findings
    assert finding.what == "files that look like images and are not read"
    assert [Path(place).name for place in finding.where] == ["pipe.png", "socket.png"]


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
    def track(summaries, total):
        (folders.tiles / "0002.png").unlink()
        return summaries

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
        summary = summarize_pair(pair, schema)
        assert (summary.tile.flaw is None) == (summary.tile.size is not None)
        assert (summary.label.flaw is None) == (summary.label.size is not None)


def test_a_decoder_that_stumbles_in_an_unforeseen_way_is_a_finding(folders, monkeypatch):
    """Pillow answers some flipped bytes of TIFF files with a TypeError; the next may be another."""

    def stumble(*arguments):
        raise KeyError("strip")

    monkeypatch.setattr(Image.Image, "load", stumble)
    whats = [item.what for item in folders.examined(schema=None).findings]
    assert whats == ["tiles that cannot be read", "label maps that cannot be read"]
