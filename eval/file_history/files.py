"""What a file itself says of its history: format, size, quantisation, metadata, bytes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from histosyn.images.file import image_bytes, opened_header
from hpc.files import sha256_of_bytes

_METADATA = ("exif", "icc_profile", "comment", "photoshop", "xmp", "XML:com.adobe.xmp", "dpi")


@dataclass(frozen=True, kw_only=True)
class FileFacts:
    """`jpeg_tables` is a digest of a JPEG's quantisation tables, None for other formats."""

    format: str
    width: int
    height: int
    bytes: int
    jpeg_tables: str | None
    metadata: tuple[str, ...]


def facts_of(source: Path | bytes, name: str) -> FileFacts:
    """The facts of an image file, pixels not decoded. Raises DatasetError if it is none."""
    data = image_bytes(source, name)
    with opened_header(data, name) as image:
        return FileFacts(
            format=image.format or "unknown",
            width=image.width,
            height=image.height,
            bytes=len(data),
            jpeg_tables=_tables(image),
            metadata=_metadata(image),
        )


def summary_of(files: Sequence[FileFacts]) -> dict[str, Any]:
    """How many files there are of each format, size, quantisation and kind of metadata."""
    return {
        "formats": dict(Counter(file.format for file in files)),
        "sizes": dict(Counter(f"{file.width}x{file.height}" for file in files)),
        "jpeg_tables": dict(Counter(file.jpeg_tables for file in files if file.jpeg_tables)),
        "metadata": dict(Counter(kind for file in files for kind in file.metadata)),
    }


def _tables(image: Image.Image) -> str | None:
    tables = getattr(image, "quantization", None)
    if image.format != "JPEG" or not tables:
        return None
    return sha256_of_bytes(repr(sorted(tables.items())).encode())[:12]


def _metadata(image: Image.Image) -> tuple[str, ...]:
    text = tuple(f"text {key}" for key in getattr(image, "text", {}))
    return tuple(key for key in _METADATA if key in image.info) + text
