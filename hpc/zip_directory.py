"""Opening zip archives safely: the central directory is checked before anything is unpacked."""

from __future__ import annotations

import os
import struct
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

MAX_MEMBERS = 1000
_MAX_DIRECTORY_BYTES = 1 << 20
_LOCAL_HEADER_BYTES = 30
_ENCRYPTED = 1
_END = struct.Struct("<4s4H2IH")
_MAX_COMMENT_BYTES = 1 << 16
_LOCATOR_BYTES = 20
_END_64 = struct.Struct("<4sQ2H2I4Q")


@contextmanager
def open_zip(file: IO[bytes]) -> Iterator[zipfile.ZipFile]:
    """An archive whose directory is sound.

    Raises ValueError, OSError or one of zipfile's errors for a directory that is too long, lists a
    name twice, a name that the member itself does not have, members that overlap, or encryption.
    """
    size = _directory_bytes(file)
    if size > _MAX_DIRECTORY_BYTES:
        raise ValueError(f"its directory claims {size} bytes")
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        if len(members) > MAX_MEMBERS:
            raise ValueError(
                f"it lists {len(members)} members, at most {MAX_MEMBERS} are looked at"
            )
        names = {info.filename for info in members}
        if len(names) < len(members):
            raise ValueError("it lists a name twice")
        _require_apart(members, archive.start_dir)
        for info in members:
            if info.flag_bits & _ENCRYPTED:
                raise ValueError(f"{info.filename[:80]!r} is encrypted")
            # Compares the name there with the one in the directory; nothing is unpacked.
            archive.open(info).close()
        yield archive


def _require_apart(members: list[zipfile.ZipInfo], end: int) -> None:
    starts = sorted((info.header_offset, info.compress_size, info.filename) for info in members)
    following = [*(start for start, _, _ in starts), end][1:]
    for (start, size, name), limit in zip(starts, following, strict=True):
        if start + _LOCAL_HEADER_BYTES + size > limit:
            raise ValueError(f"{name[:80]!r} reaches into what comes after it")


def _directory_bytes(file: IO[bytes]) -> int:
    """How long the directory says it is, before anybody reads it whole."""
    total = file.seek(0, os.SEEK_END)
    file.seek(max(0, total - _MAX_COMMENT_BYTES - _END.size))
    tail = file.read()
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) - at < _END.size:
        raise zipfile.BadZipFile("it is no zip archive, or cut short")
    size = _END.unpack_from(tail, at)[5]
    end = total - len(tail) + at
    place = end - _LOCATOR_BYTES - _END_64.size
    if place >= 0:
        file.seek(place)
        record = file.read(_END_64.size)
        if record.startswith(b"PK\x06\x06"):
            size = _END_64.unpack(record)[8]
    file.seek(0)
    return size
