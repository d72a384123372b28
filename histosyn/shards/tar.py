"""Where the members of a tar lie, found without trusting it.

Python's `tarfile`, like webdataset, takes a damaged header in the middle of a file, or a hole of
zeros, for its end and says nothing. Here the end is only what the format calls the end, in the
length that it has: two blocks of zeros, filled up to a record. Nothing is ever extracted, and
names that could lead somewhere are refused.
"""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from histosyn.shards.compression import compression_of
from histosyn.shards.member_names import is_left_aside, name_fault, shown
from histosyn.shards.tar_header import BLOCK_BYTES, Header, header_at, is_header
from hpc.files import open_regular_file

_MAGIC = slice(257, 262)
# Tars are written in records of 20 blocks, of which the end mark needs two.
_RECORD_BYTES = tarfile.RECORDSIZE
_END_BYTES = 2 * BLOCK_BYTES
_LONGEST_END_BYTES = _RECORD_BYTES + BLOCK_BYTES
_READ_BYTES = 1 << 20
# So many in one file, and nobody wants to know more of it.
_MOST_DAMAGES = 1000


@dataclass(frozen=True, kw_only=True)
class TarMember:
    """A regular file in a tar: where its data begins and how many bytes it has."""

    name: str
    offset: int
    size: int


@dataclass(frozen=True, kw_only=True)
class TarDamage:
    """What is wrong at a byte of a tar; the scan goes on at the next sound header.

    `refused` says that nothing is damaged there, but a member is of a kind that is not opened.
    """

    offset: int
    cause: str
    refused: bool = False


@dataclass(frozen=True, kw_only=True)
class TarBoundary:
    """A byte at which another archive begins, as in what `cat a.tar b.tar` gives: read on."""

    offset: int


@dataclass(frozen=True, kw_only=True)
class TarIgnored:
    """A member that is none of the user's files: hidden, or an operating system's."""

    name: str


Found = TarMember | TarDamage | TarBoundary | TarIgnored


def scan_tar(path: Path) -> Iterator[Found]:
    """All members in the order of the file, and every damage between them.

    Raises OSError if `path` cannot be read or is no file.
    """
    with open_regular_file(path) as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        first = file.read(BLOCK_BYTES)
        if (compression := compression_of(first)) and not is_header(first):
            yield TarDamage(offset=0, cause=f"it is no plain tar but {compression.advice()}")
        elif size == 0:
            yield TarDamage(offset=0, cause="the file is empty")
        else:
            yield from _within_reason(_Scan(file, size))


def _within_reason(scan: Iterable[Found]) -> Iterator[Found]:
    damages = 0
    for item in scan:
        yield item
        damages += isinstance(item, TarDamage)
        if isinstance(item, TarDamage) and damages == _MOST_DAMAGES:
            cause = f"{_MOST_DAMAGES:,} places are damaged: what follows was not looked at"
            yield TarDamage(offset=item.offset + BLOCK_BYTES, cause=cause)
            return


class _Scan:
    """Goes through a file of `size` bytes; `archive` is where the current archive begins."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self.file = file
        self.size = size
        self.archive = 0
        self.has_members = False

    def __iter__(self) -> Iterator[Found]:
        offset: int | None = 0
        while offset is not None:
            if self.size - offset < BLOCK_BYTES:
                yield _no_end_mark(offset)
                return
            try:
                header = header_at(self.file, offset, self.size)
            except tarfile.HeaderError as error:
                yield TarDamage(offset=offset, cause=f"no tar header at byte {offset} ({error})")
                offset = self._next_header(offset + BLOCK_BYTES)
                continue
            if header is None:
                found, offset = self._zeros(offset)
                yield from found
                continue
            self.has_members = True
            yield from self._member(header, offset)
            # What claims more than there is may hide others.
            fits = header.next <= self.size
            offset = header.next if fits else self._next_header(header.offset)

    def _member(self, header: Header, start: int) -> Iterator[Found]:
        if header.next > self.size:
            missing = header.next - self.size
            cause = f"{shown(header.name)} lacks its last {missing} bytes (cut short)"
            yield TarDamage(offset=start, cause=cause)
        elif is_left_aside(header.name):
            yield TarIgnored(name=header.name)
        elif fault := header.fault or name_fault(header.name):
            yield TarDamage(offset=start, cause=fault, refused=not header.damaged)
        elif not header.is_folder:
            yield TarMember(name=header.name, offset=header.offset, size=header.size)

    def _zeros(self, start: int) -> tuple[list[Found], int | None]:
        """What zeros mean, and where to go on after them (None: nowhere)."""
        end = self._end_of_zeros(start)
        length = end - start
        if end == self.size:
            return self._end(start, length), None
        if self._is_seam(start, end):
            self.archive = end
            return [TarBoundary(offset=end)], end
        cause = f"{length} bytes are zeros, where no archive ends: what was there is lost"
        return [TarDamage(offset=start, cause=cause)], self._next_header(end)

    def _end(self, start: int, length: int) -> list[Found]:
        if length < _END_BYTES:
            return [_no_end_mark(start)]
        if not self.has_members:
            return [TarDamage(offset=start, cause="no file is in it, only zeros")]
        if length > _LONGEST_END_BYTES:
            cause = (
                f"{length} bytes of zeros end it, where a tar has at most {_LONGEST_END_BYTES}: "
                "what was there is lost"
            )
            return [TarDamage(offset=start, cause=cause)]
        return []

    def _is_seam(self, start: int, end: int) -> bool:
        """Whether an archive ends properly and another begins; some writers fill no record."""
        self.file.seek(end)
        block = self.file.read(BLOCK_BYTES)
        minimal = end - start == _END_BYTES
        filled = _END_BYTES <= end - start <= _LONGEST_END_BYTES
        whole_records = (end - self.archive) % _RECORD_BYTES == 0
        return self.has_members and is_header(block) and (minimal or (filled and whole_records))

    def _end_of_zeros(self, start: int) -> int:
        """The first block from `start` on that is not only zeros, or the size of the file."""
        self.file.seek(start)
        offset, step = start, BLOCK_BYTES
        while data := self.file.read(step):
            step = min(2 * step, _READ_BYTES)
            rest = data.lstrip(b"\0")
            if rest:
                return offset + (len(data) - len(rest)) // BLOCK_BYTES * BLOCK_BYTES
            offset += len(data)
        return self.size

    def _next_header(self, start: int) -> int | None:
        """The next byte at which a header with a right checksum begins, as one does every 512."""
        self.file.seek(start)
        offset = start
        while len(block := self.file.read(BLOCK_BYTES)) == BLOCK_BYTES:
            if block[_MAGIC] == b"ustar" and is_header(block):
                return offset
            offset += BLOCK_BYTES
        return None


def _no_end_mark(offset: int) -> TarDamage:
    return TarDamage(offset=offset, cause="the archive has no end mark (cut short)")
