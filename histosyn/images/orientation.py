"""Orientation of images by EXIF (or XMP): rotated and flipped as viewers show them.

Viewers show such an image upright, so that is what its label map was drawn on.
"""

from __future__ import annotations

import warnings

from PIL import ExifTags, Image, ImageOps

# Where Pillow keeps what may say the orientation.
_NOTES = ("exif", "Raw profile type exif", "xmp", "XML:com.adobe.xmp")
# The same in a PNG, where it may stand behind the pixels.
_PNG_NOTES = (b"eXIf", b"Raw profile type exif", b"XML:com.adobe.xmp")
_ON_ITS_SIDE = (5, 6, 7, 8)


def orientation_of(image: Image.Image) -> int:
    """1, upright, to 8: how an image that is not decoded lies, as far as its header says."""
    told = image.format == "TIFF" or any(note in image.info for note in _NOTES)
    return _exif_orientation(image) if told else 1


def turn_upright(image: Image.Image) -> None:
    """Turn a decoded image in place as its orientation says; Pillow does so for a TIFF itself."""
    if image.format != "TIFF" and orientation_of(image) != 1:
        ImageOps.exif_transpose(image, in_place=True)


def upright_size(image: Image.Image, data: bytes) -> tuple[int, int]:
    """Height and width after turning, of an image opened from `data` and not decoded.

    A PNG that seems to say more behind its pixels is decoded for it.
    """
    if image.format == "PNG" and any(note in data for note in _PNG_NOTES):
        image.load()
    width, height = image.size
    if _swaps_sides(image):
        width, height = height, width
    return height, width


def _swaps_sides(image: Image.Image) -> bool:
    if image.format != "TIFF":
        return orientation_of(image) in _ON_ITS_SIDE
    # Pillow gives the size that a tag leads to, but turns by XMP, too.
    tags = getattr(image, "tag_v2", {})
    return ExifTags.Base.Orientation not in tags and (
        "xmp" in image.info and _exif_orientation(image) in _ON_ITS_SIDE
    )


def _exif_orientation(image: Image.Image) -> int:
    """1 to 8; 1 if nothing that can be understood is said."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            value = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # damaged EXIF raises anything
        return 1
    return value if value in range(1, 9) else 1
