"""Zip archives with tricks are refused before anything in them is unpacked."""

import struct
import warnings
import zipfile

import pytest

from hpc import zip_directory
from hpc.zip_directory import open_zip


def names(path):
    with path.open("rb") as file, open_zip(file) as archive:
        return archive.namelist()


def zipped(path, members=(("a", b"1234"), ("b", b"5678"))):
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w") as archive:
        warnings.simplefilter("ignore")  # of a name that is there twice
        for name, content in members:
            archive.writestr(name, content)
    return path


def altered(path, before, after, last=False):
    data = path.read_bytes()
    at = data.rindex(before) if last else data.index(before)
    path.write_bytes(data[:at] + after + data[at + len(after) :])
    return path


def test_a_sound_archive_is_opened(tmp_path):
    assert names(zipped(tmp_path / "a.zip")) == ["a", "b"]
    assert names(zipped(tmp_path / "empty.zip", ())) == []
    with zipfile.ZipFile(tmp_path / "a.zip", "a") as archive:
        archive.comment = b"PK" * 1000
    assert names(tmp_path / "a.zip") == ["a", "b"]


def test_a_name_that_is_there_twice(tmp_path):
    with pytest.raises(ValueError, match="a name twice"):
        names(zipped(tmp_path / "a.zip", [("a", b"1"), ("a", b"2")]))


def test_too_many_members(tmp_path, monkeypatch):
    monkeypatch.setattr(zip_directory, "MAX_MEMBERS", 1)
    with pytest.raises(ValueError, match="lists 2 members, at most 1"):
        names(zipped(tmp_path / "a.zip"))


def test_a_name_that_the_member_itself_does_not_have(tmp_path):
    path = zipped(tmp_path / "a.zip", [("mu", b"1"), ("nu", b"2")])
    with pytest.raises(zipfile.BadZipFile, match="differ"):
        names(altered(path, b"mu", b"my", last=True))


def test_members_that_overlap(tmp_path):
    path = zipped(tmp_path / "a.zip", [("a", b"x" * 100), ("b", b"y" * 100)])
    directory = path.read_bytes().index(b"PK\x01\x02")
    size = struct.pack("<I", 180)
    data = bytearray(path.read_bytes())
    data[directory + 20 : directory + 24] = size
    path.write_bytes(data)
    with pytest.raises(ValueError, match="'a' reaches into what comes after it"):
        names(path)


def test_an_encrypted_member(tmp_path):
    path = zipped(tmp_path / "a.zip")
    data = bytearray(path.read_bytes())
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(mark) + at] |= 1
    path.write_bytes(data)
    with pytest.raises(ValueError, match="'a' is encrypted"):
        names(path)


@pytest.mark.parametrize("of_64_bits", [False, True])
def test_a_directory_that_claims_much_is_not_read(tmp_path, of_64_bits):
    path = zipped(tmp_path / "a.zip")
    data = path.read_bytes()
    end = data.index(b"PK\x05\x06")
    if of_64_bits:
        record = struct.pack("<4sQ2H2I4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 2, 2, 1 << 40, 0)
        locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, end, 1)
        path.write_bytes(data[:end] + record + locator + data[end:])
    else:
        path.write_bytes(data[: end + 12] + struct.pack("<I", 1 << 30) + data[end + 16 :])
    with pytest.raises(ValueError, match="its directory claims 1[0-9]+ bytes"):
        names(path)


def test_what_is_no_archive(tmp_path):
    for content in (b"", b"PK", b"text" * 100, b"PK\x05\x06"):
        (tmp_path / "a.zip").write_bytes(content)
        with pytest.raises(zipfile.BadZipFile):
            names(tmp_path / "a.zip")
