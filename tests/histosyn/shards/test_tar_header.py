"""Headers that claim what cannot be, and archives that end where they should not."""

from __future__ import annotations

import io
import random
import tarfile
import tracemalloc
from pathlib import Path

import pytest
from damage import write_tar

from histosyn.shards.tar import TarBoundary, TarDamage, TarIgnored, TarMember, scan_tar

BLOCK = tarfile.BLOCKSIZE
RECORD = tarfile.RECORDSIZE
END = bytes(2 * BLOCK)
MOST_MEMORY = 16 << 20


def member(name: str, data: bytes = b"", **fields: object) -> bytes:
    """A header and its data, of a plain file unless `fields` say otherwise."""
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for field, value in fields.items():
        setattr(info, field, value)
    return info.tobuf(tarfile.GNU_FORMAT) + data + bytes(-len(data) % BLOCK)


def pax(kind: bytes = tarfile.XHDTYPE, **records: str) -> bytes:
    """An extended header."""
    data = b""
    for name, value in records.items():
        text = f" {name}={value}\n".encode()
        length = len(text)
        while len(text) + len(str(length)) != length:
            length = len(text) + len(str(length))
        data += str(length).encode() + text
    return member("././@PaxHeader", data, type=kind)


def scanned(path: Path, data: bytes) -> list[object]:
    path.write_bytes(data)
    return list(scan_tar(path))


def names(found: list[object]) -> list[str]:
    return [item.name for item in found if isinstance(item, TarMember)]


def causes(found: list[object]) -> list[str]:
    return [item.cause for item in found if isinstance(item, TarDamage)]


A, B, C = (member(f"{name}.json", name.encode() * 700) for name in "abc")


@pytest.mark.parametrize(
    ("odd", "cause"),
    [
        (member("x.json", size=1 << 60), "lacks its last"),
        (member("x.json", size=-(1 << 40)), "a negative size"),
        (pax(path="x.json", size=str(1 << 60)) + member("short"), "lacks its last"),
        (pax(path="x.json", size="-5") + member("short"), "a size that is no number"),
        (pax(path="x.json", size="9" * 5000) + member("short"), "a size that is no number"),
        (member("././@PaxHeader", size=1 << 50, type=tarfile.XHDTYPE), "that is cut short"),
        (member("././@LongLink", size=1 << 50, type=tarfile.GNUTYPE_LONGNAME), "that is cut short"),
        (pax(path="y" * (2 << 20)) + member("x.json"), "its extended header has 2,097,"),
        (pax(path=f"{'y' * 300}.json") + member("x.json"), "is a name of 305 bytes (at most 255)"),
        (pax(path="yy/" * 400 + "x.json") + member("x.json"), "a name of 1,206 bytes"),
        (pax(**{"GNU.sparse.major": "1"}) + member("x.json"), "is a sparse file"),
        (member("x.json", type=tarfile.GNUTYPE_SPARSE), "is a sparse file"),
        (member("././@PaxHeader", b"99 path=x\n", type=tarfile.XHDTYPE) + member("s"), "a damaged"),
        (
            member("././@PaxHeader", b"x.json", type=tarfile.XHDTYPE) + member("s"),
            "a damaged record",
        ),
        (pax(tarfile.XGLTYPE, path="x.json") + member("s"), "one name or size for all files"),
        (pax(mtime="1") * 9, "more than 8 extended headers in a row"),
        (member("fifo.json", type=tarfile.FIFOTYPE), "is a link or device, not a file"),
        (member("zero.json", type=tarfile.CHRTYPE), "is a link or device, not a file"),
        (member("l.json", type=tarfile.SYMTYPE, linkname="/etc/x"), "is a link or device"),
    ],
)
def test_claims_are_compared_before_anything_is_read(
    tmp_path: Path, odd: bytes, cause: str
) -> None:
    """The members around are found, and no memory is asked for."""
    path = tmp_path / "x.tar"
    path.write_bytes(A + odd + B + END)
    tracemalloc.start()
    found = list(scan_tar(path))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < MOST_MEMORY
    assert names(found) == ["a.json", "b.json"]
    assert any(cause in text for text in causes(found)), causes(found)
    assert all(len(text) < 300 for text in causes(found))


def test_long_names_within_reason_are_names(tmp_path: Path) -> None:
    name = f"{'folder/' * 20}{'x' * 240}.json"
    for format in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT):
        with tarfile.open(tmp_path / "x.tar", "w", format=format) as archive:
            archive.addfile(tarfile.TarInfo(name))
        assert names(list(scan_tar(tmp_path / "x.tar"))) == [name]


def test_names_in_another_encoding_are_called_so(tmp_path: Path) -> None:
    data = io.BytesIO()
    with tarfile.open(
        fileobj=data, mode="w", format=tarfile.GNU_FORMAT, encoding="latin-1"
    ) as archive:
        archive.addfile(tarfile.TarInfo("Drüse.json"))
    (cause,) = causes(scanned(tmp_path / "x.tar", data.getvalue()))
    assert "in another encoding than UTF-8" in cause


def test_a_chain_of_headers_takes_no_more_than_its_length(tmp_path: Path) -> None:
    """Where each was followed to its end, ten thousand of them would take minutes."""
    found = scanned(tmp_path / "x.tar", pax(path="x.json") * 10_000 + A + END)
    assert causes(found)[-1] == "1,000 places are damaged: what follows was not looked at"


def record(*members: bytes) -> bytes:
    data = b"".join(members) + END
    return data + bytes(-len(data) % RECORD)


def test_archives_one_behind_the_other_are_read_on(tmp_path: Path) -> None:
    """`cat a.tar b.tar`, of writers that fill a record and of those that do not."""
    path = tmp_path / "x.tar"
    for first, second in ((record(A), record(B)), (A + END, B + END), (record(A), B + END)):
        found = scanned(path, first + second + record(C))
        assert names(found) == ["a.json", "b.json", "c.json"]
        assert [item.offset for item in found if isinstance(item, TarBoundary)] == [
            len(first), len(first) + len(second),
        ]  # fmt: skip
        assert not causes(found)


@pytest.mark.parametrize("size", [0, BLOCK, 2 * BLOCK, RECORD, 5 * RECORD, RECORD + 100])
def test_an_archive_of_zeros_is_damaged(tmp_path: Path, size: int) -> None:
    assert causes(scanned(tmp_path / "x.tar", bytes(size)))


@pytest.mark.parametrize("tail", [RECORD + 2 * BLOCK, 3 * RECORD, 1 << 20, (1 << 20) + 7])
def test_a_tail_of_zeros_is_damage(tmp_path: Path, tail: int) -> None:
    found = scanned(tmp_path / "x.tar", A + bytes(tail))
    assert names(found) == ["a.json"]
    assert f"{tail} bytes of zeros end it" in causes(found)[0]


def test_a_hole_of_zeros_is_damage_and_the_header_behind_it_is_read(tmp_path: Path) -> None:
    for size in (BLOCK, 3 * BLOCK, 50 * BLOCK, 2 * RECORD):
        found = scanned(tmp_path / "x.tar", record(A, bytes(size), B))
        assert names(found) == ["a.json", "b.json"]
        assert f"{size} bytes are zeros, where no archive ends" in causes(found)[0]


@pytest.mark.parametrize("members", [[A], [A, B], [A, B, C] * 7])
def test_every_writers_end_is_an_end(tmp_path: Path, members: list[bytes]) -> None:
    for data in (b"".join(members) + END, record(*members)):
        assert not causes(scanned(tmp_path / "x.tar", data))


def test_what_systems_leave_in_archives_is_left_aside(tmp_path: Path) -> None:
    theirs = [
        "./._a.json", "._.a.json", ".DS_Store", "x/.DS_Store", "__MACOSX/._a.json", "Thumbs.db",
        "__MACOSX/a.json", "desktop.ini", "Icon\r", "PaxHeaders.123/a.json", "./PaxHeaders/a.json",
        ".ipynb_checkpoints/a.json", "__key__", "x/@eaDir/a.json",
    ]  # fmt: skip
    ours = ["./a.json", "x/a.json", "__a__/a.json", "PaxHeader.json", "thumbs.json", "a.b"]
    write_tar(tmp_path / "x.tar", [(name, b"1") for name in (*theirs, *ours)])
    found = list(scan_tar(tmp_path / "x.tar"))
    assert [item.name for item in found if isinstance(item, TarIgnored)] == theirs
    assert names(found) == ours
    assert not causes(found)


def test_hidden_names_do_not_hide_what_leads_out(tmp_path: Path) -> None:
    for name in ("../a.json", "x/../../a.json", "./../a.json"):
        assert "leads out" in causes(scanned(tmp_path / "x.tar", member(name) + END))[0]


@pytest.mark.parametrize("name", ["BZh9.json", "LZIP.json"])
def test_a_name_that_begins_like_a_compressed_file_is_a_name(tmp_path: Path, name: str) -> None:
    assert names(scanned(tmp_path / "x.tar", member(name) + END)) == [name]


def test_mutations_of_many_kinds_end_in_members_or_damage(tmp_path: Path) -> None:
    """Bits, bytes, blocks and cuts, seeded; what is found lies within the file."""
    random_ = random.Random(0)
    sound = A + pax(path="größe.json") + member("x.json", b"1") + B + member("d", type=b"5") + C
    sound += END
    for _ in range(600):
        data = bytearray(sound)
        for _ in range(random_.randint(1, 3)):
            mutate(data, random_)
        path = tmp_path / "x.tar"
        path.write_bytes(bytes(data))
        found = list(scan_tar(path))
        assert all(i.offset + i.size <= len(data) for i in found if isinstance(i, TarMember))
        known = {"a.json", "größe.json", "b.json", "c.json", "x.json", "m.json"}
        assert causes(found) or set(names(found)) <= known


def mutate(data: bytearray, random_: random.Random) -> None:
    if not data:
        return
    block = random_.randrange(-(-len(data) // BLOCK)) * BLOCK
    match random_.randrange(6):
        case 0:
            data[random_.randrange(len(data))] ^= 1 << random_.randrange(8)
        case 1:
            del data[random_.randrange(len(data)) :]
        case 2:
            data[block : block + BLOCK] = bytes(BLOCK)
        case 3:
            data[block : block + BLOCK] = random_.randbytes(BLOCK)
        case 4:
            del data[block : block + BLOCK]
        case _:  # a size with a right checksum
            header = tarfile.TarInfo("m.json")
            header.size = random_.choice([1 << 60, -1, 5, 1 << 33, len(data)])
            header.type = random_.choice([b"0", b"x", b"g", b"L", b"S", b"1", b"5", b"Z"])
            data[block : block + BLOCK] = header.tobuf(tarfile.GNU_FORMAT)[:BLOCK]
