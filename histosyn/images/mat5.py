"""Arrays of numbers out of MATLAB files of level 5, which `save` writes with -v6 and -v7.

Our own reader, because a damaged file must become an error and an absurd one must not ask for
memory: scipy's (1.17) ends the process with a segmentation fault for some flipped bytes. Nothing
but real numbers is understood, so nothing in a file is executed or unpickled. The format is in
MathWorks, "MAT-File Format", chapter 1.
"""

from __future__ import annotations

import math
import os
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import IO

import numpy as np

# What reading a damaged file raises.
MAT5_DAMAGE = (ValueError, struct.error, zlib.error, OSError)

_FILE_HEADER_BYTES = 128
_TAG_BYTES = 8
# The tag, flags, shape and name of a variable fit into this, however large it is.
_HEAD_BYTES = 1 << 12
_BLOCK_BYTES = 1 << 20
# Whoever looks for two of them shall not wait for a file of millions.
_MOST_VARIABLES = 1000
_LEVEL_5, _LEVEL_7_3 = 0x0100, 0x0200
_MATRIX, _COMPRESSED = 14, 15
_IS_COMPLEX = 0x08
# How numbers may be stored, and what they are in MATLAB; an array of doubles is often stored small.
_STORED = dict(zip((1, 2, 3, 4, 5, 6, 7, 9, 12, 13), "bBhHiIfdqQ", strict=True))
_CLASSES = dict(zip(range(6, 16), "dfbBhHiIqQ", strict=True))


class Matlab73Error(Exception):
    """The file is of level 7.3: HDF5 inside."""


@dataclass(frozen=True, kw_only=True)
class Variable:
    """A variable of a file.

    `type` is that of its numbers, None if it is no array of real numbers; `size` is how many bytes
    it claims; `_beginning` gives so many of them.
    """

    name: str
    shape: tuple[int, ...]
    type: np.dtype | None
    size: int
    _order: str
    _values_at: int
    _beginning: Callable[..., bytes | bytearray]

    def read(self) -> np.ndarray:
        """Its numbers, in as much memory as `shape` says. May raise one of MAT5_DAMAGE."""
        if self.size > _HEAD_BYTES + 8 * math.prod(self.shape):
            raise ValueError(f"{self.name} is larger than its shape")
        data = memoryview(self._beginning(self.size, whole=True))
        stored, numbers, _ = _element(data, self._values_at, self._order)
        if stored not in _STORED:
            raise ValueError(f"{self.name} is stored as type {stored}")
        values = np.frombuffer(numbers, self._order + _STORED[stored])
        with np.errstate(invalid="ignore"):
            return values.astype(self.type, copy=False).reshape(self.shape, order="F")


def read_variables(file: IO[bytes]) -> Iterator[Variable]:
    """The variables of an open file, one after the other; no more is read of one than its head.

    Its numbers are read when asked for. Raises Matlab73Error, or one of MAT5_DAMAGE.
    """
    order = _byte_order(file.read(_FILE_HEADER_BYTES))
    end = os.fstat(file.fileno()).st_size
    for _ in range(_MOST_VARIABLES):
        if not (tag := file.read(_TAG_BYTES)):
            return
        kind, size = struct.unpack(order + "II", tag)
        start = file.tell()
        if start + size > end:
            raise ValueError("it ends too early")
        if kind == _COMPRESSED:
            yield _variable(partial(_inflated, file, start, size), order)
        elif kind == _MATRIX:
            head = start - _TAG_BYTES
            yield _variable(partial(_stored, file, head, size + _TAG_BYTES), order)
        else:
            raise ValueError(f"an element of type {kind} is no variable")
        file.seek(start + size)
    raise ValueError(f"it holds more than {_MOST_VARIABLES} variables")


def _byte_order(header: bytes) -> str:
    order = {b"IM": "<", b"MI": ">"}.get(header[126:128])
    if order is None:
        raise ValueError("its header is not that of a MATLAB file")
    (level,) = struct.unpack(order + "H", header[124:126])
    if level == _LEVEL_7_3:
        raise Matlab73Error
    if level != _LEVEL_5:
        raise ValueError(f"its header says version {level:#06x}")
    return order


def _variable(beginning: Callable[..., bytes | bytearray], order: str) -> Variable:
    head = beginning(_HEAD_BYTES)
    kind, size = struct.unpack_from(order + "II", head)
    if kind != _MATRIX:
        raise ValueError(f"an element of type {kind} is no variable")
    _, flags, at = _element(head, _TAG_BYTES, order)
    _, shape, at = _element(head, at, order)
    _, name, at = _element(head, at, order)
    (flag_bits,) = struct.unpack_from(order + "I", flags)
    real = not flag_bits >> 8 & _IS_COMPLEX
    letter = _CLASSES.get(flag_bits & 0xFF) if real else None
    return Variable(
        name=bytes(name).decode("ascii"),
        shape=struct.unpack(f"{order}{len(shape) // 4}I", shape),
        type=np.dtype(letter) if letter else None,
        size=_TAG_BYTES + size,
        _order=order,
        _values_at=at,
        _beginning=beginning,
    )


def _element(
    data: bytes | bytearray | memoryview, at: int, order: str
) -> tuple[int, bytes | bytearray | memoryview, int]:
    """Type and content of the element that begins at `at`, and where the next one begins."""
    kind, size = struct.unpack_from(order + "II", data, at)
    # An element of at most four bytes has its size in the upper half of its type, and no padding.
    small = kind >> 16
    start, size, kind = (at + 4, small, kind & 0xFFFF) if small else (at + 8, size, kind)
    content = data[start : start + size]
    if len(content) < size or (small and size > 4):
        raise ValueError("it ends too early")
    return kind, content, at + _TAG_BYTES if small else start + -(-size // 8) * 8


def _stored(file: IO[bytes], start: int, size: int, count: int, *, whole: bool = False) -> bytes:
    """The first `count` bytes of an element that lies bare in the file."""
    file.seek(start)
    return file.read(min(count, size))


def _inflated(
    file: IO[bytes], start: int, size: int, count: int, *, whole: bool = False
) -> bytearray:
    """The first `count` bytes of a compressed element; checked if they are the whole of it."""
    file.seek(start)
    stream, data, left = zlib.decompressobj(), bytearray(), size
    packed = b""
    while len(data) < count and not stream.eof:
        if not packed:
            packed = file.read(min(_BLOCK_BYTES, left))
            left -= len(packed)
        if not packed:
            break
        data += stream.decompress(packed, min(_BLOCK_BYTES, count - len(data)))
        packed = stream.unconsumed_tail
    if whole:
        # The checksum comes after the last byte, and zlib looks at it when more is asked for.
        stream.decompress(packed + file.read(min(_BLOCK_BYTES, left)), 1)
        if not stream.eof:
            raise ValueError("it ends too early")
    return data
