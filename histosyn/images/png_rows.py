"""A PNG read a few rows at a time, each as a PNG of its own (RFC 2083, chapters 3, 6 and 10)."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import IO

import numpy as np

from histosyn.images.file import opened_image
from hpc.errors import DatasetError

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# Channels of colour types: gray, RGB, palette, gray and alpha, RGB and alpha.
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
# Up, Average and Paeth predict from the row above.
_FROM_ABOVE = (2, 3, 4)
_PART_BYTES = 8 << 20
_READ_BYTES = 1 << 20
# Some writers put all pixels into one chunk.
_LARGEST_CHUNK = 1 << 30
# Chunks between header and pixels that decide what pixels mean.
_MEANING = (b"PLTE", b"tRNS")


def png_size(file: IO[bytes]) -> tuple[int, int]:
    """Height and width, from the first chunk."""
    file.seek(len(_SIGNATURE))
    kind, content = _chunk(file)
    if kind != b"IHDR":
        raise ValueError("its first chunk is no IHDR")
    width, height = struct.unpack(">II", content[:8])
    return height, width


def png_parts(file: IO[bytes], name: str, most_pixels: int) -> Iterator[tuple[int, int, bytes]]:
    """Rows from the top, (top, 0, PNG), each part of a few MiB and no more than `most_pixels`."""
    file.seek(len(_SIGNATURE))
    _, header = _chunk(file)
    width, height, depth, color, _, _, interlaced = struct.unpack(">IIBBBBB", header)
    if interlaced or depth > 8 or color not in _CHANNELS:
        raise DatasetError(
            f"{name} is interlaced, or has more than 8 bits a channel; of this size it cannot be "
            "read. Save it as 8-bit PNG without interlacing, or as tiled TIFF."
        )
    row_bytes = 1 + -(-width * depth * _CHANNELS[color] // 8)
    rows = max(min(_PART_BYTES // row_bytes, most_pixels // width - 1), 1)
    pixels = _Pixels(file)
    before: bytes | None = None
    for top in range(0, height, rows):
        count = min(rows, height - top)
        body = pixels.read(count * row_bytes)
        if before is not None and body[0] in _FROM_ABOVE:
            # Such a part is decoded below the last row of the part before, which it predicts from.
            above = _packed(_rows(before, name)[-1], depth, color)
            joined = _png(width, count + 1, header, pixels.meaning, b"\0" + above + body)
            decoded = _rows(joined, name)[1:]
            body = b"".join(b"\0" + _packed(row, depth, color) for row in decoded)
        before = _png(width, count, header, pixels.meaning, body)
        yield top, 0, before


def _rows(data: bytes, name: str) -> np.ndarray:
    with opened_image(data, name, intact=True) as image:
        return np.asarray(image)


def _packed(row: np.ndarray, depth: int, color: int) -> bytes:
    """A decoded row as it lies in the file."""
    if depth == 8:
        return row.astype(np.uint8).tobytes()
    values = row.astype(np.uint8)
    if color == 0 and depth > 1:
        values = values // (255 // ((1 << depth) - 1))
    bits = np.unpackbits(values[:, None], axis=1)[:, 8 - depth :]
    return np.packbits(bits.ravel()).tobytes()


class _Pixels:
    """The rows of a PNG, filtered as they are; `meaning` are the chunks that say what they mean."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._inflate = zlib.decompressobj()
        self._held = bytearray()
        self._compressed = b""
        self.meaning: list[tuple[bytes, bytes]] = []

    def read(self, count: int) -> bytes:
        """The next `count` bytes; ValueError if there are no more."""
        while len(self._held) < count:
            if not self._compressed:
                self._compressed = self._next_chunk()
            self._held += self._inflate.decompress(self._compressed, _READ_BYTES)
            self._compressed = self._inflate.unconsumed_tail
        found = bytes(self._held[:count])
        del self._held[:count]
        return found

    def _next_chunk(self) -> bytes:
        while True:
            kind, content = _chunk(self._file)
            if kind in _MEANING:
                self.meaning.append((kind, content))
            if kind == b"IEND":
                raise ValueError("its pixels end too soon")
            if kind == b"IDAT" and content:
                return content


def _chunk(file: IO[bytes]) -> tuple[bytes, bytes]:
    length, kind = struct.unpack(">I4s", file.read(8))
    content = file.read(min(length, _LARGEST_CHUNK))
    (checksum,) = struct.unpack(">I", file.read(4))
    if len(content) != length or zlib.crc32(kind + content) != checksum:
        raise ValueError(f"the checksum of its chunk {kind.decode('latin-1')} is another")
    return kind, content


def _png(
    width: int, height: int, header: bytes, meaning: list[tuple[bytes, bytes]], rows: bytes
) -> bytes:
    ihdr = struct.pack(">II", width, height) + header[8:]
    chunks = [(b"IHDR", ihdr), *meaning, (b"IDAT", zlib.compress(rows, 0)), (b"IEND", b"")]
    return _SIGNATURE + b"".join(
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in chunks
    )
