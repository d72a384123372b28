"""Finished pieces of an image on disk, and the pyramid that they become.

An image is cut into pieces of `PIECE` pixels a side. Each is a file of its own, which appears whole
or not at all: it holds the compressed tiles of the levels on which a piece has whole tiles, and the
pixels of the smaller levels, where several pieces share a tile. So a killed job goes on, processes
share the work without talking, and what makes the pyramid reads each tile once.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from histosyn.pyramids.bigtiff import Codec, Level
from hpc.errors import DamagedFileError
from hpc.files import write_bytes

PIECE, TILE = 2048, 512
_JPEG_QUALITY = 90
_WHOLE_LEVELS = 3
_MAGIC = b"HSPIECE1"
_HEADER = struct.Struct("<8sIII")
_CHUNK = 1 << 20


def level_sizes(size: tuple[int, int]) -> list[tuple[int, int]]:
    """The sizes of all levels, each half of the one before, until one tile holds it."""
    sizes = [size]
    while max(sizes[-1]) > TILE:
        sizes.append(_half(sizes[-1]))
    return sizes


def halved(pixels_HWC: np.ndarray) -> np.ndarray:
    """Each pixel the mean of 2x2; an odd last row or column stands for two."""
    height, width = pixels_HWC.shape[:2]
    padded = np.pad(pixels_HWC, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    sums = padded[0::2].astype(np.uint16) + padded[1::2]
    return ((sums[:, 0::2] + sums[:, 1::2] + 2) // 4).astype(np.uint8)


class Pieces:
    """The pieces of one image of (H, W) pixels in a folder."""

    def __init__(self, folder: Path, size: tuple[int, int], codec: Codec) -> None:
        self.folder, self.size, self._codec = folder, size, codec
        self.rows, self.columns = (-(-side // PIECE) for side in size)

    def __len__(self) -> int:
        return self.rows * self.columns

    def box(self, number: int) -> tuple[range, range]:
        """The rows and columns of pixels of a piece."""
        row, column = divmod(number, self.columns)
        height, width = self.size
        return (
            range(row * PIECE, min((row + 1) * PIECE, height)),
            range(column * PIECE, min((column + 1) * PIECE, width)),
        )

    def has(self, number: int) -> bool:
        """Whether a piece is finished."""
        return self._path(number).exists()

    def write(self, number: int, pixels_HWC: np.ndarray, text: str = "") -> None:
        """Finish a piece: uint8 (h, w, 3), and any text that belongs to it."""
        sections = [text.encode()]
        for level in range(len(level_sizes(self.size))):
            pixels_HWC = halved(pixels_HWC) if level else pixels_HWC
            if level < _WHOLE_LEVELS:
                sections += [_compressed(tile, self._codec) for tile in _tiles(pixels_HWC)]
            else:
                sections.append(_with_size(pixels_HWC))
        lengths = struct.pack(f"<{len(sections)}Q", *map(len, sections))
        body = lengths + b"".join(sections)
        header = _HEADER.pack(_MAGIC, len(sections), zlib.crc32(body), 0)
        write_bytes(self._path(number), header + body)

    def text(self, number: int) -> str:
        """What `write` was given."""
        return self._section(number, 0).decode()

    def levels(self) -> list[Level]:
        """The levels of the pyramid, from the pieces, which must all be there.

        Raises DamagedFileError naming a piece whose bytes are not those that were written.
        """
        for number in range(len(self)):
            _require_undamaged(self._path(number))
        return [
            Level(size=size, tile=TILE, tiles=self._tiles_of(number, size))
            for number, size in enumerate(level_sizes(self.size))
        ]

    def _tiles_of(self, level: int, size: tuple[int, int]) -> Iterator[bytes]:
        rows, columns = (-(-side // TILE) for side in size)
        for row in range(rows):
            for column in range(columns):
                if level < _WHOLE_LEVELS:
                    yield self._whole_tile(level, row, column)
                else:
                    yield _compressed(self._shared_tile(level, row, column), self._codec)

    def _whole_tile(self, level: int, row: int, column: int) -> bytes:
        side = PIECE // TILE >> level
        number = row // side * self.columns + column // side
        before = sum(self._tiles_in(number, finer) for finer in range(level))
        across = -(-self._size_at(number, level)[1] // TILE)
        return self._section(number, 1 + before + row % side * across + column % side)

    def _shared_tile(self, level: int, row: int, column: int) -> np.ndarray:
        side = PIECE >> level
        count = TILE // side if side else TILE
        rows = range(row * count, min((row + 1) * count, self.rows))
        columns = range(column * count, min((column + 1) * count, self.columns))
        return np.concatenate(
            [
                np.concatenate([self._small(r * self.columns + c, level) for c in columns], axis=1)
                for r in rows
            ]
        )

    def _small(self, number: int, level: int) -> np.ndarray:
        before = sum(self._tiles_in(number, finer) for finer in range(_WHOLE_LEVELS))
        data = self._section(number, 1 + before + level - _WHOLE_LEVELS)
        height, width = struct.unpack_from("<II", data)
        return np.frombuffer(data, np.uint8, offset=8).reshape(height, width, 3)

    def _tiles_in(self, number: int, level: int) -> int:
        height, width = self._size_at(number, level)
        return -(-height // TILE) * -(-width // TILE)

    def _size_at(self, number: int, level: int) -> tuple[int, int]:
        rows, columns = self.box(number)
        size = len(rows), len(columns)
        for _ in range(level):
            size = _half(size)
        return size

    def _section(self, number: int, section: int) -> bytes:
        path = self._path(number)
        with path.open("rb") as file:
            magic, count, _, _ = _HEADER.unpack(file.read(_HEADER.size).ljust(_HEADER.size, b"\0"))
            lengths = file.read(8 * count)
            if magic != _MAGIC or section >= count or len(lengths) != 8 * count:
                raise DamagedFileError(f"{path} is damaged. Remove it and run the command again.")
            sizes = struct.unpack(f"<{count}Q", lengths)
            file.seek(sum(sizes[:section]), 1)
            data = file.read(sizes[section])
        if len(data) != sizes[section]:
            raise DamagedFileError(f"{path} is cut short. Remove it and run the command again.")
        return data

    def _path(self, number: int) -> Path:
        row, column = divmod(number, self.columns)
        return self.folder / f"{row:04d}-{column:04d}.piece"


def _require_undamaged(path: Path) -> None:
    with path.open("rb") as file:
        magic, _, expected, _ = _HEADER.unpack(file.read(_HEADER.size).ljust(_HEADER.size, b"\0"))
        found = 0
        while chunk := file.read(_CHUNK):
            found = zlib.crc32(chunk, found)
    if magic != _MAGIC or found != expected:
        raise DamagedFileError(f"{path} is damaged. Remove it and run the command again.")


def _half(size: tuple[int, int]) -> tuple[int, int]:
    return -(-size[0] // 2), -(-size[1] // 2)


def _tiles(pixels_HWC: np.ndarray) -> Iterator[np.ndarray]:
    height, width = pixels_HWC.shape[:2]
    for top in range(0, height, TILE):
        for left in range(0, width, TILE):
            yield pixels_HWC[top : top + TILE, left : left + TILE]


def _compressed(tile_HWC: np.ndarray, codec: Codec) -> bytes:
    """A whole tile; what lies beyond the image repeats its edge."""
    height, width = tile_HWC.shape[:2]
    whole = np.pad(tile_HWC, ((0, TILE - height), (0, TILE - width), (0, 0)), mode="edge")
    if codec == "deflate":
        return zlib.compress(whole.tobytes(), 6)
    buffer = io.BytesIO()
    Image.fromarray(whole).save(buffer, "JPEG", quality=_JPEG_QUALITY, subsampling="4:2:0")
    return buffer.getvalue()


def _with_size(pixels_HWC: np.ndarray) -> bytes:
    return struct.pack("<II", *pixels_HWC.shape[:2]) + pixels_HWC.tobytes()
