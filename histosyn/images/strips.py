"""Images too large for memory, part by part: PNG by rows, TIFF by its strips or tiles.

Nothing is decoded here. Each part becomes a small file of the same kind, with the same palette and
compression, which is read through the one door for image files like any other.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TypeVar

from histosyn.images.limits import MAX_PIXELS
from histosyn.images.png_rows import png_parts, png_size
from histosyn.images.tiff_segments import stored_parts, tiff_parts, tiff_size, tiff_text, tiff_xmp
from hpc.errors import DatasetError
from hpc.files import open_regular_file
from hpc.limits import raised_limit

# The largest sides that positions of noise are made for; 131,072 pixels squared.
MAX_FIELD_PIXELS = raised_limit("HISTOSYN_MAX_FIELD_PIXELS", 1 << 34, "pixels")
_PNG = b"\x89PNG\r\n\x1a\n"
Told = TypeVar("Told")
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


@dataclass(frozen=True, kw_only=True)
class ImagePart:
    """A part of an image: where its upper left pixel lies, and a file that holds it."""

    top: int
    left: int
    data: bytes


def field_size(path: Path) -> tuple[int, int] | None:
    """Height and width of a PNG or TIFF by its header alone; None for what is none, or damaged."""
    try:
        with open_regular_file(path) as file:
            return _size(file, str(path))
    except (OSError, DatasetError):
        return None


def tiff_description(path: Path) -> str:
    """The description in a TIFF of any size; empty for what has none, or is none."""
    return _told(path, tiff_text) or ""


def tiff_notes(path: Path) -> bytes | None:
    """The XMP packet in a TIFF of any size; empty for one that has none, None for what is none."""
    return _told(path, tiff_xmp)


def _told(path: Path, by: Callable[[IO[bytes]], Told]) -> Told | None:
    try:
        with open_regular_file(path) as file:
            return by(file) if _kind(file) == "tiff" else None
    except (OSError, struct.error, SyntaxError, ValueError, TypeError, KeyError):
        return None


def tiff_tiles(path: Path) -> Iterator[tuple[tuple[int, int], bytes]]:
    """The parts of a TIFF as they are stored, compressed, each with its top and left."""
    with open_regular_file(path) as file:
        yield from stored_parts(file)


def image_parts(path: Path, name: str) -> Iterator[ImagePart]:
    """The parts of a PNG or TIFF of any size, in its own order.

    Raises DatasetError for another format, for damage, and for what cannot be read by parts: an
    interlaced PNG, a TIFF in one compressed piece that is too large.
    """
    with open_regular_file(path) as file:
        try:
            height, width = _size(file, name) or _refuse(name)
            if height * width > MAX_FIELD_PIXELS:
                raise DatasetError(
                    f"{name} is {width}x{height} pixels, more than {MAX_FIELD_PIXELS:,} in all. "
                    "Cut it."
                )
            file.seek(0)
            parts = png_parts if _kind(file) == "png" else tiff_parts
            for top, left, data in parts(file, name, MAX_PIXELS):
                yield ImagePart(top=top, left=left, data=data)
        except (struct.error, zlib.error, SyntaxError, ValueError, EOFError) as error:
            raise DatasetError(f"{name} is damaged ({error}). Replace the file.") from error


def _size(file: IO[bytes], name: str) -> tuple[int, int] | None:
    try:
        match _kind(file):
            case "png":
                return png_size(file)
            case "tiff":
                return tiff_size(file)
    except (struct.error, SyntaxError, ValueError, KeyError, EOFError) as error:
        raise DatasetError(f"{name} is damaged ({error}). Replace the file.") from error
    return None


def _kind(file: IO[bytes]) -> str | None:
    beginning = file.read(8)
    file.seek(0)
    if beginning == _PNG:
        return "png"
    return "tiff" if beginning.startswith(_TIFF) else None


def _refuse(name: str) -> tuple[int, int]:
    raise DatasetError(f"{name} is too large for its format. Save it as PNG or tiled TIFF.")
