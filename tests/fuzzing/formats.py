"""Mutations that know a format: they lie in its header and make its checksums fit the lie."""

from __future__ import annotations

import ast
import io
import json
import random
import struct
import zipfile
import zlib

import numpy as np

_SIZES = (0, 1, 2, 3, 31, 65_535, 65_536, 2**24, 2**30, 2**31 - 1)
_TAR_BLOCK = 512
# Where the fields of a tar header stand, and how long they are.
_TAR_FIELDS = {
    "name": (0, 100),
    "mode": (100, 8),
    "uid": (108, 8),
    "size": (124, 12),
    "mtime": (136, 12),
    "type": (156, 1),
    "link": (157, 100),
    "magic": (257, 8),
    "prefix": (345, 155),
}
_PNG_START = 8
_ODD_ARRAYS = (
    np.array([np.nan] * 4),
    np.array(-5),
    np.zeros((0, 3)),
    np.array("x"),
    np.array(2**62),
    np.full((3, 3), 1e308),
    np.zeros(7, complex),
)


def odd_png(data: bytes, chance: random.Random) -> bytes:
    """A chunk whose content is changed, lost, doubled or renamed, with a CRC that fits."""
    chunks = _chunks(data)
    if not chunks:
        return data
    at = chance.randrange(len(chunks))
    kind, body = chunks[at]
    how = chance.randrange(5)
    if how == 0 and body:
        place = chance.randrange(len(body))
        body = body[:place] + chance.randbytes(1) + body[place + 1 :]
    elif how == 1:
        body = body[: chance.randrange(len(body) + 1)]
    elif how == 2:
        kind = chance.choice(
            (b"PLTE", b"tRNS", b"IDAT", b"tEXt", b"iTXt", b"eXIf", b"acTL", b"abcd")
        )
    elif how == 3:
        body = body + body
    chunks[at : at + 1] = [] if how == 4 else [(kind, body)]
    return data[:_PNG_START] + b"".join(map(_chunk, chunks))


def odd_png_header(data: bytes, chance: random.Random) -> bytes:
    """Another size, depth or colour type, with a CRC that fits."""
    chunks = _chunks(data)
    if not chunks or len(chunks[0][1]) != 13:
        return data
    fields = list(struct.unpack(">IIBBBBB", chunks[0][1]))
    at = chance.randrange(7)
    fields[at] = chance.choice(_SIZES) if at < 2 else chance.choice((0, 1, 2, 3, 4, 6, 8, 16, 255))
    chunks[0] = (chunks[0][0], struct.pack(">IIBBBBB", *fields))
    return data[:_PNG_START] + b"".join(map(_chunk, chunks))


def odd_tar(data: bytes, chance: random.Random) -> bytes:
    """A field of a header that lies, with a checksum that fits."""
    starts = [at for at in range(0, len(data), _TAR_BLOCK) if data[at + 257 : at + 262] == b"ustar"]
    if not starts:
        return data
    at = chance.choice(starts)
    block = bytearray(data[at : at + _TAR_BLOCK])
    start, size = _TAR_FIELDS[chance.choice(list(_TAR_FIELDS))]
    block[start : start + size] = _tar_field(size, chance)
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return data[:at] + bytes(block) + data[at + _TAR_BLOCK :]


def _tar_field(size: int, chance: random.Random) -> bytes:
    if size == 1:
        return chance.choice([b"%c" % letter for letter in b"012345678xgLKSVAN\0\xff"])
    choices = (
        b"7" * (size - 1),  # the largest octal number
        b"\x80" + (2**60).to_bytes(size - 1, "big") if size > 8 else b"\x80" + b"\xff" * (size - 1),
        b"\xff" * size,
        b"-1",
        b"0",
        b"../" * (size // 3),
        b"/etc/passwd",
        chance.randbytes(size),
        b"a" * size,
        b"".join(chance.choices((b"a", b"\0", b"\n", b"\xc3"), k=size)),
    )
    return chance.choice(choices)[:size].ljust(size, b"\0")


def odd_npy(data: bytes, chance: random.Random) -> bytes:
    """Another shape, type or order in the header of an .npy file."""
    if len(data) < 10 or data[:6] != b"\x93NUMPY":
        return data
    length = int.from_bytes(data[8:10], "little")
    try:
        header = ast.literal_eval(data[10 : 10 + length].decode("latin-1"))
    except (ValueError, SyntaxError):
        return data
    how = chance.randrange(3)
    if how == 0:
        header["shape"] = chance.choice(((), (0,), (1,), (2**40,), (2**31, 2**31), (-1,), (3, 3)))
    elif how == 1:
        header["descr"] = chance.choice(
            ("|O", "<f4", ">f8", "<U1000000", "|S0", "<M8[ns]", "|V9", "<c16")
        )
    else:
        header["fortran_order"] = chance.choice((True, 1, "x", None))
    text = repr(header).encode("latin-1")
    return data[:8] + len(text).to_bytes(2, "little") + text + data[10 + length :]


def odd_npz(data: bytes, chance: random.Random) -> bytes:
    """An array with another header or content, lost or renamed; the CRC-32 fits."""
    members = _members(data)
    if not members:
        return data
    name = chance.choice(list(members))
    body = members.pop(name)
    how = chance.randrange(5)
    if how <= 1:
        members[name] = odd_npy(body, chance)
    elif how == 2:
        array = chance.choice(_ODD_ARRAYS)
        file = io.BytesIO()
        np.save(file, array)
        members[name] = file.getvalue()
    elif how == 3:
        members[chance.choice(("x.npy", "../x.npy", "mu", "n.npy"))] = body
    return _zip(members)


def odd_zip(data: bytes, chance: random.Random) -> bytes:
    """A member that is changed, lost or renamed; the CRC-32 fits."""
    members = _members(data)
    if not members:
        return data
    name = chance.choice(list(members))
    body = bytearray(members.pop(name))
    how = chance.randrange(3)
    if how == 0 and body:
        body[chance.randrange(len(body))] ^= 1 << chance.randrange(8)
        members[name] = bytes(body)
    elif how == 1:
        members[name] = bytes(body[: chance.randrange(len(body) + 1)])
    return _zip(members)


def odd_safetensors(data: bytes, chance: random.Random) -> bytes:
    """Another length of the header; other shapes, types or places in it."""
    if len(data) < 8:
        return data
    length = int.from_bytes(data[:8], "little")
    if chance.random() < 0.3:
        other = chance.choice((0, 1, length - 1, length + 1, len(data), 2**32, 2**63, 2**64 - 1))
        return other.to_bytes(8, "little") + data[8:]
    try:
        header = json.loads(data[8 : 8 + length])
    except ValueError:
        return data
    name = chance.choice(list(header))
    if chance.random() < 0.3 or name == "__metadata__":
        header[chance.choice(("other", ""))] = header.pop(name)
    else:
        fact = chance.choice(list(header[name]))
        header[name][fact] = chance.choice(
            (None, [], [2**40], "F64", "BF16", "X", [0, 0], [-1, 4], 5, {})
        )
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data[8 + length :]


def _chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    found, at = [], _PNG_START
    while at + 12 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        found.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + size]))
        at += 12 + size
    return found


def _chunk(chunk: tuple[bytes, bytes]) -> bytes:
    kind, body = chunk
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _members(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _zip(members: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, body in members.items():
            archive.writestr(zipfile.ZipInfo(name), body)
    return file.getvalue()
