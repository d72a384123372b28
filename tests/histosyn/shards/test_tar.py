from __future__ import annotations

import io
import os
import tarfile
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from histosyn.shards.tar import TarDamage, TarMember, scan_tar
from histosyn.shards.tar_header import BLOCK_BYTES, header_fault

LONG = "folder/" + "n" * 120 + ".tile.png"
NAMES = ("a.tile.png", "a.label.png", "größe.tile.png", LONG, "empty.json", "z.json")


def write(
    path: Path, format: int = tarfile.PAX_FORMAT, names: tuple[str, ...] = NAMES
) -> dict[str, bytes]:
    random = np.random.default_rng(0)
    contents = {name: random.bytes(700) for name in names} | {"empty.json": b""}
    with tarfile.open(path, "w", format=format) as archive:
        for name, data in contents.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return contents


@pytest.mark.parametrize("format", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_members_of_a_sound_tar_lie_where_it_says(tmp_path: Path, format: int) -> None:
    path = tmp_path / "x.tar"
    contents = write(path, format)
    data = path.read_bytes()
    members = list(scan_tar(path))
    assert {member.name: data[member.offset : member.offset + member.size]
            for member in members} == contents  # fmt: skip
    for member in members:
        header = data[member.offset - BLOCK_BYTES : member.offset]
        key, _, suffix = member.name.partition(".")
        assert header_fault(header, key, [suffix], member.size) is None
        assert header_fault(header, key, [suffix], member.size + 1)


def test_a_header_of_another_file_is_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    write(path)
    header = path.read_bytes()[:BLOCK_BYTES]
    assert header_fault(header, "a", ["tile.jpg", "tile.png"], 700) is None
    assert "'a.tile.png' of 700 bytes stands where 'b.tile.png'" in (
        header_fault(header, "b", ["tile.png"], 700) or ""
    )
    assert "damaged" in (header_fault(bytes(BLOCK_BYTES), "a", ["tile.png"], 700) or "")


def test_the_scan_goes_on_behind_a_damaged_header(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    write(path)
    members = [item for item in scan_tar(path) if isinstance(item, TarMember)]
    data = bytearray(path.read_bytes())
    start = members[1].offset - BLOCK_BYTES
    data[start : start + BLOCK_BYTES] = b"\xaa" * BLOCK_BYTES
    path.write_bytes(bytes(data))
    found = list(scan_tar(path))
    assert [item.offset for item in found if isinstance(item, TarDamage)] == [start]
    assert [item for item in found if isinstance(item, TarMember)] == [members[0], *members[2:]]


@pytest.mark.parametrize("blocks", [1, 2, 3])
def test_zeros_in_the_middle_are_no_end(tmp_path: Path, blocks: int) -> None:
    """Where tarfile and webdataset would stop in silence."""
    path = tmp_path / "x.tar"
    write(path)
    members = [item for item in scan_tar(path) if isinstance(item, TarMember)]
    data = bytearray(path.read_bytes())
    start = members[1].offset - BLOCK_BYTES
    data[start : start + blocks * BLOCK_BYTES] = bytes(blocks * BLOCK_BYTES)
    path.write_bytes(bytes(data))
    found = list(scan_tar(path))
    assert any(isinstance(item, TarDamage) for item in found)
    assert members[-1] in found


@given(st.data())
def test_whatever_is_cut_or_flipped_is_named_or_harmless(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """A change outside of the files' data is damage, or leaves all members where they were.

    Only names that need an extra block have no checksum of their own.
    """
    path = tmp_path_factory.mktemp("tar") / "x.tar"
    write(path, names=("a.tile.png", "a.label.png", "empty.json", "z.json"))
    sound = list(scan_tar(path))
    content = bytearray(path.read_bytes())
    if data.draw(st.booleans()):
        # Behind the last file two blocks of zeros are due; more of them are only filling.
        end = sound[-1].offset + 2 * BLOCK_BYTES
        os.truncate(path, data.draw(st.integers(0, end + 2 * BLOCK_BYTES - 1)))
        assert any(isinstance(item, TarDamage) for item in scan_tar(path))
        return
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= data.draw(st.integers(1, 255))
    path.write_bytes(bytes(content))
    found = list(scan_tar(path))
    in_data = any(m.offset <= at < m.offset + m.size for m in sound)
    assert found == sound or (not in_data and any(isinstance(i, TarDamage) for i in found))


def test_what_leads_out_of_an_archive_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    with tarfile.open(path, "w") as archive:
        for name in ("/etc/passwd", "a/../../b.json", "a\\b.json", "a\nb.json"):
            archive.addfile(tarfile.TarInfo(name))
        link = tarfile.TarInfo("link.json")
        link.type, link.linkname = tarfile.LNKTYPE, "/etc/passwd"
        archive.addfile(link)
        folder = tarfile.TarInfo("folder")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        archive.addfile(tarfile.TarInfo("./fine.json"))
    found = list(scan_tar(path))
    assert [type(item) for item in found] == [TarDamage] * 5 + [TarMember]


def test_a_negative_size_and_endless_names_are_damage(tmp_path: Path) -> None:
    """Sound checksums, made to keep a reader busy for ever."""
    path = tmp_path / "x.tar"
    backwards = tarfile.TarInfo("a.tile.png")
    backwards.size = -1024
    chain = tarfile.TarInfo("././@LongLink")
    chain.type = tarfile.GNUTYPE_LONGNAME
    for header in (backwards, chain):
        block = header.tobuf(tarfile.GNU_FORMAT)
        path.write_bytes(block * 5000 + bytes(2 * BLOCK_BYTES))
        assert any(isinstance(item, TarDamage) for item in islice(scan_tar(path), 10))
