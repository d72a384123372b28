"""The headers of a tar: one read where a member should begin, and one compared with an index.

What a header claims is compared with the file before anything is read because of it. Python's own
`tarfile` reads as much as a header asks for, and follows headers from one to the next for ever.
"""

from __future__ import annotations

import re
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import IO

from histosyn.shards.member_names import shown

BLOCK_BYTES = tarfile.BLOCKSIZE
# An extended header holds a name and a few times; more than this is not read.
_LARGEST_EXTENSION_BYTES = 1 << 20
# A long name, a long link and one more of each kind, in front of one file.
_MOST_EXTENSIONS = 8
_PAX = (tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE)
_EXTENSIONS = (*_PAX, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)
_FILES = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE)
_PAX_RECORD = re.compile(rb"([0-9]{1,19}) ([^=]+)=")


@dataclass(frozen=True, kw_only=True)
class Header:
    """A sound header: its name, where its data begins, its size, and where the next one is due.

    `fault` says why the member is not to be used though all of it is there; `damaged`, that it was
    once written otherwise.
    """

    name: str
    offset: int
    size: int
    next: int
    is_folder: bool
    fault: str | None
    damaged: bool


def header_at(file: IO[bytes], start: int, file_bytes: int) -> Header | None:
    """The header at a byte of a file of so many bytes; None if only zeros stand there.

    What extended headers before it say is taken in. Raises tarfile.HeaderError for what is no
    header, and for sizes that cannot be.
    """
    said: dict[str, str] = {}
    fault, damaged = None, False
    offset = start
    for _ in range(_MOST_EXTENSIONS + 1):
        info = _block_at(file, offset)
        if info is None and offset == start:
            return None
        if info is None:
            raise tarfile.HeaderError("an extended header without its file")
        offset += BLOCK_BYTES
        if info.type not in _EXTENSIONS:
            return _header(info, said, offset, fault, damaged)
        end = _end_of(offset, info.size)
        if end > file_bytes:
            raise tarfile.HeaderError("an extended header that is cut short")
        if info.size > _LARGEST_EXTENSION_BYTES:
            fault = (
                f"its extended header has {info.size:,} bytes "
                f"(at most {_LARGEST_EXTENSION_BYTES:,})"
            )
        else:
            try:
                said |= _said_by(info.type, file.read(info.size))
            except tarfile.HeaderError as error:
                fault, damaged = f"its extended header has {error}", True
        offset = end
    raise tarfile.HeaderError(f"more than {_MOST_EXTENSIONS} extended headers in a row")


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
        what = error if any(header) else "only zeros are left of it"
        return f"its tar header is damaged ({what})"
    longest = len(key) + 1 + max(map(len, suffixes))
    holds_whole_name = key.isascii() and longest <= tarfile.LENGTH_NAME
    if (holds_whole_name and not _named(found.name, key, suffixes)) or found.size != size:
        return (
            f"the index and the tar do not match: {found.name!r} of {found.size} bytes stands "
            f"where '{key}.{suffixes[0]}' of {size} should"
        )
    return None


def is_header(block: bytes) -> bool:
    """Whether 512 bytes are a header with a right checksum."""
    try:
        tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True


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


def _block_at(file: IO[bytes], offset: int) -> tarfile.TarInfo | None:
    """None for zeros."""
    file.seek(offset)
    try:
        info = tarfile.TarInfo.frombuf(file.read(BLOCK_BYTES), "utf-8", "surrogateescape")
    except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
        return None
    if info.size < 0:
        raise tarfile.HeaderError("a negative size")
    return info


def _header(
    info: tarfile.TarInfo, said: Mapping[str, str], data: int, fault: str | None, damaged: bool
) -> Header:
    name = said.get("path", info.name).rstrip("/") or info.name
    size = int(said.get("size", info.size))
    if info.type in _FILES or info.type not in tarfile.SUPPORTED_TYPES:
        following = _end_of(data, size)
    else:
        following = data
    if info.type == tarfile.GNUTYPE_SPARSE or "sparse" in said:
        following = _end_of(data, size)
        fault = f"{shown(name)} is a sparse file, which a tar does not hold as it is"
    elif not (info.type in _FILES or info.isdir()):
        fault = f"{shown(name)} is a link or device, not a file"
    return Header(
        name=name,
        offset=data,
        size=size,
        next=following,
        is_folder=info.isdir(),
        fault=fault,
        damaged=damaged,
    )


def _said_by(kind: bytes, data: bytes) -> dict[str, str]:
    """What matters of an extended header: a "path", a "size", and whether the file is "sparse"."""
    if kind == tarfile.GNUTYPE_LONGLINK:
        return {}
    if kind == tarfile.GNUTYPE_LONGNAME:
        return {"path": data.partition(b"\0")[0].decode("utf-8", "surrogateescape")}
    records = _pax_records(data)
    if kind == tarfile.XGLTYPE:
        if {"path", "size"} & set(records):
            raise tarfile.HeaderError("one name or size for all files")
        return {}
    said = {name: records[name] for name in ("path", "size") if name in records}
    if not said.get("size", "0").isdecimal() or len(said.get("size", "")) > 19:
        raise tarfile.HeaderError("a size that is no number")
    return said | ({"sparse": ""} if any(k.startswith("GNU.sparse.") for k in records) else {})


def _pax_records(data: bytes) -> dict[str, str]:
    """The records of a pax header (POSIX.1-2001): "LENGTH NAME=VALUE" and a line's end each."""
    records: dict[str, str] = {}
    start = 0
    while start < len(data) and data[start]:
        match = _PAX_RECORD.match(data, start)
        end = start + int(match[1]) if match else 0
        if not match or not match.end() < end <= len(data) or data[end - 1 : end] != b"\n":
            raise tarfile.HeaderError("a damaged record")
        value = data[match.end() : end - 1]
        records[match[2].decode("utf-8", "replace")] = value.decode("utf-8", "surrogateescape")
        start = end
    return records


def _end_of(data: int, size: int) -> int:
    return data + -(-size // BLOCK_BYTES) * BLOCK_BYTES
