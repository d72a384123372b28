"""A TIFF read strip by strip or tile by tile, each as a TIFF of its own (TIFF 6.0, chapter 2).

Baseline compression and what label maps are saved with: none, PackBits, LZW and deflate.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Any

from PIL.TiffImagePlugin import ImageFileDirectory_v2

from hpc.errors import DatasetError

_WIDTH, _LENGTH, _BITS, _COMPRESSION, _PHOTOMETRIC, _FILL_ORDER = 256, 257, 258, 259, 262, 266
_DESCRIPTION, _ORIENTATION, _SAMPLES, _PLANAR, _PREDICTOR, _COLORMAP = 270, 274, 277, 284, 317, 320
_STRIPS, _ROWS, _STRIP_BYTES = 273, 278, 279
_TILE_WIDTH, _TILE_LENGTH, _TILES, _TILE_BYTES = 322, 323, 324, 325
_EXTRA_SAMPLES, _SAMPLE_FORMAT, _XMP = 338, 339, 700
_LOSSLESS = {1, 5, 8, 32773, 32946}
_BIG = 43
# What says how pixels are to be read, and is the same in each part: tag, and its type.
_SHORT, _LONG = 3, 4
_KEPT = (_BITS, _COMPRESSION, _PHOTOMETRIC, _FILL_ORDER, _SAMPLES, _PLANAR, _PREDICTOR, _COLORMAP,
         _EXTRA_SAMPLES, _SAMPLE_FORMAT)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class _Layout:
    """How an image is cut: the sides of its parts, where each lies in the file, and how long."""

    size: tuple[int, int]
    part: tuple[int, int]
    offsets: Sequence[int]
    lengths: Sequence[int]
    tiled: bool


def tiff_size(file: IO[bytes]) -> tuple[int, int]:
    """Height and width of the first image."""
    tags = _tags(file)
    return int(tags[_LENGTH]), int(tags[_WIDTH])


def tiff_text(file: IO[bytes]) -> str:
    """What the first image is described as; empty without a description."""
    return str(_tags(file).get(_DESCRIPTION, ""))


def tiff_xmp(file: IO[bytes]) -> bytes:
    """The XMP packet of the first image (XMP specification, part 3); empty without one."""
    return bytes(_tags(file).get(_XMP, b""))


def tiff_parts(file: IO[bytes], name: str, most_pixels: int) -> Iterator[tuple[int, int, bytes]]:
    """The parts of the first image, (top, left, TIFF), each of no more than `most_pixels`."""
    tags = _tags(file)
    layout = _layout(tags)
    _require_readable(tags, layout, name, most_pixels)
    rows, columns = layout.part
    for (top, left), data in stored_parts(file):
        # A tile has all its pixels, a strip only those of the image.
        stored = rows if layout.tiled else min(rows, layout.size[0] - top)
        yield top, left, _tiff(tags, stored, columns, data)


def stored_parts(file: IO[bytes]) -> Iterator[tuple[tuple[int, int], bytes]]:
    """Top and left of each part of the first image, and what is stored of it."""
    layout = _layout(_tags(file))
    height, width = layout.size
    rows, columns = layout.part
    across = -(-width // columns)
    for number in range(-(-height // rows) * across):
        file.seek(layout.offsets[number])
        place = number // across * rows, number % across * columns
        yield place, file.read(layout.lengths[number])


def _tags(file: IO[bytes]) -> Any:
    file.seek(0)
    header = file.read(8)
    if header[2 if header[:2] == b"II" else 3] == _BIG:
        header += file.read(8)
    tags = ImageFileDirectory_v2(header)
    file.seek(tags.next)
    tags.load(file)
    return tags


def _layout(tags: Any) -> _Layout:
    size = int(tags[_LENGTH]), int(tags[_WIDTH])
    if _TILE_WIDTH in tags:
        return _Layout(
            size=size,
            part=(int(tags[_TILE_LENGTH]), int(tags[_TILE_WIDTH])),
            offsets=tags[_TILES],
            lengths=tags[_TILE_BYTES],
            tiled=True,
        )
    rows = min(int(tags.get(_ROWS, size[0])), size[0])
    return _Layout(
        size=size,
        part=(rows, size[1]),
        offsets=tags[_STRIPS],
        lengths=tags[_STRIP_BYTES],
        tiled=False,
    )


def _require_readable(tags: Any, layout: _Layout, name: str, most_pixels: int) -> None:
    planes = int(tags.get(_PLANAR, 1)) == 2 and int(tags.get(_SAMPLES, 1)) > 1
    upright = int(tags.get(_ORIENTATION, 1)) == 1
    lossless = int(tags.get(_COMPRESSION, 1)) in _LOSSLESS
    small = layout.part[0] * layout.part[1] <= most_pixels
    if planes or not (upright and lossless and small and all(layout.part)):
        raise DatasetError(
            f"{name} is too large for how it is stored: parts of {layout.part[1]}x{layout.part[0]} "
            f"pixels, compression {int(tags.get(_COMPRESSION, 1))}. Save it in tiles, deflate or "
            "LZW, upright, channels together."
        )


def _tiff(tags: Any, height: int, width: int, data: bytes) -> bytes:
    """A file of one strip, little-endian: header, entries, values that do not fit, pixels."""
    entries: dict[int, tuple[int, Sequence[int]]] = {
        tag: (_SHORT, _numbers(tags[tag])) for tag in _KEPT if tag in tags
    }
    entries |= {
        _WIDTH: (_LONG, (width,)),
        _LENGTH: (_LONG, (height,)),
        _ROWS: (_LONG, (height,)),
        _STRIP_BYTES: (_LONG, (len(data),)),
        _STRIPS: (_LONG, (0,)),
    }
    place = 8 + 2 + 12 * len(entries) + 4
    beside = b"".join(_values(*entry) for entry in entries.values() if _is_beside(*entry))
    entries[_STRIPS] = (_LONG, (place + len(beside),))
    written = b""
    for tag, entry in sorted(entries.items()):
        kind, numbers = entry
        values = _values(kind, numbers)
        written += struct.pack("<HHI", tag, kind, len(numbers))
        written += struct.pack("<I", place) if _is_beside(*entry) else values.ljust(4, b"\0")
        place += len(values) if _is_beside(*entry) else 0
    beside = b"".join(_values(*entry) for _, entry in sorted(entries.items()) if _is_beside(*entry))
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + written + bytes(4) + beside + data


def _numbers(value: Any) -> Sequence[int]:
    return value if isinstance(value, tuple) else (int(value),)


def _values(kind: int, numbers: Sequence[int]) -> bytes:
    return struct.pack(f"<{len(numbers)}{'H' if kind == _SHORT else 'I'}", *numbers)


def _is_beside(kind: int, numbers: Sequence[int]) -> bool:
    return len(_values(kind, numbers)) > 4
