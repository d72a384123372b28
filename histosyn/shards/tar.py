"""Where the members of a tar lie, found without trusting it.

Python's `tarfile`, like webdataset, takes a damaged header in the middle of a file for its end and
says nothing. Here the end is only what the format calls the end: two blocks of zeros. Nothing is
ever extracted, and names that could lead somewhere are refused.
"""

from __future__ import annotations

import tarfile
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

BLOCK_BYTES = tarfile.BLOCKSIZE
_MAGIC = slice(257, 262)


@dataclass(frozen=True, kw_only=True)
class TarMember:
    """A regular file in a tar: where its data begins and how many bytes it has."""

    name: str
    offset: int
    size: int


@dataclass(frozen=True, kw_only=True)
class TarDamage:
    """What is wrong at a byte of a tar; the scan goes on at the next sound header."""

    offset: int
    cause: str


def scan_tar(path: Path) -> Iterator[TarMember | TarDamage]:
    """All members in the order of the file, and every damage between them.

    Raises OSError if the file cannot be read.
    """
    with path.open("rb") as file:
        size = file.seek(0, 2)
        start: int | None = 0
        while start is not None:
            start = yield from _scan_from(file, start, size)


def header_fault(header: bytes, key: str, suffixes: Sequence[str], size: int) -> str | None:
    """What is wrong if `header`, 512 bytes, does not introduce KEY.SUFFIX with `size` bytes.

    Any of `suffixes` will do, in upper or lower case. Names that a header of this kind cannot hold
    whole stand in an extra block before it; of them only the size is compared.
    """
    if _is_plainly(header, key, suffixes, size):
        return None
    try:
        found = tarfile.TarInfo.frombuf(header, "utf-8", "surrogateescape")
    except tarfile.HeaderError as error:
        return f"its tar header is damaged ({error})"
    longest = len(key) + 1 + max(map(len, suffixes))
    holds_whole_name = key.isascii() and longest <= tarfile.LENGTH_NAME
    if (holds_whole_name and not _named(found.name, key, suffixes)) or found.size != size:
        return (
            f"the index and the tar do not match: {found.name!r} of {found.size} bytes stands "
            f"where '{key}.{suffixes[0]}' of {size} should"
        )
    return None


def _is_plainly(header: bytes, key: str, suffixes: Sequence[str], size: int) -> bool:
    """Whether a header is the one that is wanted, where it is of the plainest kind.

    Every sample's are looked at, and `tarfile` takes four times as long; it judges the others.
    """
    try:
        return (
            _named(header[:100].rstrip(b"\0").decode(), key, suffixes)
            and int(header[124:136].rstrip(b"\0 "), 8) == size
            and not any(header[345:500])  # nothing in front of the name
            and sum(header) - sum(header[148:156]) + 8 * 32
            == int(header[148:156].rstrip(b"\0 "), 8)
        )
    except ValueError:
        return False


def _named(name: str, key: str, suffixes: Sequence[str]) -> bool:
    return name.startswith(f"{key}.") and name[len(key) + 1 :].lower() in suffixes


def _scan_from(
    file: BinaryIO, start: int, size: int
) -> Generator[TarMember | TarDamage, None, int | None]:
    """Scan up to the end or the first damaged header; returns where to go on after that."""
    file.seek(start)
    end = start
    try:
        with tarfile.open(fileobj=file, mode="r:") as tar:
            for member in tar:
                if _end_of(member) <= end:
                    raise tarfile.ReadError("a negative size")
                end = _end_of(member)
                yield from _seen(member, size)
                # tarfile keeps every member it has met; a shard can have many.
                tar.members.clear()  # type: ignore[attr-defined]
            end = tar.offset
        cause = None
    except (tarfile.TarError, ValueError, OverflowError, RecursionError) as error:
        cause = str(error)
    if end > size:
        return None
    damage = _damage_at_end(file, end, size, cause)
    if damage is None:
        return None
    yield damage
    return _next_header(file, damage.offset + BLOCK_BYTES, size)


def _seen(member: tarfile.TarInfo, size: int) -> Iterator[TarMember | TarDamage]:
    if _end_of(member) > size:
        missing = _end_of(member) - size
        yield TarDamage(
            offset=member.offset, cause=f"{member.name} lacks its last {missing} bytes (cut short)"
        )
    elif trick := _trick_in(member):
        yield TarDamage(offset=member.offset, cause=trick)
    elif member.isreg():
        yield TarMember(name=member.name, offset=member.offset_data, size=member.size)


def _trick_in(member: tarfile.TarInfo) -> str | None:
    """What a harmless archive of tiles never has."""
    if not (member.isreg() or member.isdir()):
        return f"{member.name!r} is a link or device, not a file"
    name = PurePosixPath(member.name)
    if name.is_absolute() or ".." in name.parts or "\\" in member.name:
        return f"{member.name!r} is a path that leads out of the archive"
    if not member.name.isprintable():
        return f"{member.name!r} has unprintable characters"
    return None


def _damage_at_end(file: BinaryIO, end: int, size: int, cause: str | None) -> TarDamage | None:
    """None if the archive ends as it should: at least two blocks of zeros and nothing else."""
    if size == 0:
        return TarDamage(offset=0, cause="the file is empty")
    if size - end < 2 * BLOCK_BYTES:
        return TarDamage(offset=end, cause="the archive has no end mark (cut short)")
    file.seek(end)
    offset = end
    while block := file.read(BLOCK_BYTES):
        if any(block):
            return TarDamage(
                offset=offset, cause=f"no tar header at byte {offset} ({cause or 'garbage'})"
            )
        offset += len(block)
    return None


def _next_header(file: BinaryIO, start: int, size: int) -> int | None:
    """The next byte at which a header with a right checksum begins, as one does every 512."""
    file.seek(start)
    for offset in range(start, size - BLOCK_BYTES + 1, BLOCK_BYTES):
        block = file.read(BLOCK_BYTES)
        if block[_MAGIC] == b"ustar" and _is_header(block):
            return offset
    return None


def _is_header(block: bytes) -> bool:
    try:
        tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True


def _end_of(member: tarfile.TarInfo) -> int:
    blocks = -(-member.size // BLOCK_BYTES)
    return member.offset_data + blocks * BLOCK_BYTES
