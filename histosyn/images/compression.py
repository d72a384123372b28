"""Refusing lossy compression of label maps: pixels that change a little change their class."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from PIL import Image

from hpc.errors import LabelError

_COMPRESSION, _PHOTOMETRIC = 259, 262
_YCBCR = 6
# None, CCITT, LZW, Deflate (two numbers), PackBits, LZMA, Zstandard.
_LOSSLESS_IN_TIFF = frozenset({1, 2, 3, 4, 5, 8, 32946, 32773, 34925, 50000})
_IN_TIFF = {
    6: "JPEG (old style)", 7: "JPEG", 33003: "JPEG 2000", 33005: "JPEG 2000", 34712: "JPEG 2000",
    34887: "LERC", 34892: "JPEG", 34927: "WebP", 50001: "WebP", 50002: "JPEG XL", 52546: "JPEG XL",
}  # fmt: skip
# Frames of an animation hold their picture behind 16 bytes.
_FRAME, _FRAME_BYTES = b"ANMF", 16


class LossyError(LabelError):
    """A label map was compressed in a way that changes the values of pixels."""


def require_lossless(image: Image.Image, data: bytes, name: str) -> None:
    """LossyError if the compression of an image, opened from `data`, changes values of pixels."""
    lossy = _lossy_compression(image, data)
    if lossy is not None:
        raise LossyError(
            f"{name} is {lossy}, which changes the values of pixels: classes are lost in it. "
            "Export the label map again, as PNG."
        )


def _lossy_compression(image: Image.Image, data: bytes) -> str | None:
    """What a lossy file is, for people; None for a lossless one."""
    if image.format in ("JPEG", "MPO"):
        return "a JPEG"
    if image.format == "WEBP":
        kinds = set(_webp_chunks(data, 12))
        return None if b"VP8L" in kinds and b"VP8 " not in kinds else "a lossy WebP"
    if image.format == "TIFF":
        return _lossy_in_tiff(getattr(image, "tag_v2", {}))
    return None


def _lossy_in_tiff(tags: dict[int, Any]) -> str | None:
    compression = tags.get(_COMPRESSION, 1)
    if compression not in _LOSSLESS_IN_TIFF:
        kind = _IN_TIFF.get(compression, "of an unknown kind")
        return f"a TIFF with compression {kind}"
    # Colours are often stored at half the resolution then, and never exactly.
    return "a TIFF of colours in YCbCr" if tags.get(_PHOTOMETRIC) == _YCBCR else None


def _webp_chunks(data: bytes, start: int) -> Iterator[bytes]:
    while start + 8 <= len(data):
        kind, size = data[start : start + 4], int.from_bytes(data[start + 4 : start + 8], "little")
        yield kind
        start += 8
        if kind == _FRAME:
            start += _FRAME_BYTES
        else:
            start += size + size % 2
