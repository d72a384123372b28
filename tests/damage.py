"""Real damage to real files: what tests of faults share."""

from __future__ import annotations

import io
import json
import struct
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from histosyn.shards.index_file import digest_of


def members_of(tar: Path) -> list[tuple[str, bytes]]:
    """The files of a tar in their order."""
    with tarfile.open(tar) as archive:
        return [(member.name, archive.extractfile(member).read()) for member in archive]


def write_tar(path: Path, members: list[tuple[str, bytes]]) -> None:
    """A tar of plain files, as simple as they come."""
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as archive:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))


def flip(path: Path, offset: int, mask: int = 1) -> None:
    """Change bits of one byte; `offset` counts from the end if it is negative."""
    data = bytearray(path.read_bytes())
    data[offset] ^= mask
    path.write_bytes(bytes(data))


def edit_index(shards: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change what `dataset.json` says, and its checksum with it: an index that lies."""
    path = shards / "dataset.json"
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data | {"sha256": digest_of(data)}))


def png_that_claims(width: int, height: int) -> bytes:
    """A PNG of 70 bytes with a header for any number of pixels, and next to no data."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = b""
    for kind, data in ((b"IHDR", head), (b"IDAT", zlib.compress(bytes(9))), (b"IEND", b"")):
        chunks += struct.pack(">I", len(data)) + kind + data
        chunks += struct.pack(">I", zlib.crc32(kind + data))
    return b"\x89PNG\r\n\x1a\n" + chunks
