"""Microns per pixel, as image files tell them."""

from __future__ import annotations

import re

from PIL import Image

from histosyn.images.file import ImageSource, opened_header
from hpc.errors import InputError

_MICRONS_PER_INCH = 25_400
# Microns per pixel of microscopes and scanners, 100x to 1x. Programs that know of none write 72,
# 96, 300 or 2400 dots per inch, which is 353 to 11 microns.
_PLAUSIBLE_MPP = (0.05, 10.0)
# Horizontal and vertical resolution of one tile may differ so much.
_SQUARE_RATIO = 1.01
_X_RESOLUTION, _Y_RESOLUTION, _DESCRIPTION = 282, 283, 270
_IMAGEJ_UNIT = re.compile(r"^unit=(micron|microns|um|.?\u00b5m|\\u00B5m)\s*$", re.MULTILINE)
_APERIO_MPP = re.compile(r"\bMPP\s*=\s*(\d+(?:\.\d+)?)")
_OME_SIZE = re.compile(r'\bPhysicalSize([XY])="([^"]+)"')
_OME_UNIT = re.compile(r'\bPhysicalSize[XY]Unit="([^"]+)"')
# Text of a TIFF is read byte by byte: a micro sign in UTF-8 has a letter before it.
_MICRON_NAMES = ("\u00b5m", "\u00c2\u00b5m", "um", "micron", "&#181;m", "&#xb5;m", "&#xB5;m")


def resolution_of(source: ImageSource) -> float | None:
    """Microns per pixel that an image, a path or the bytes of one, has in its file.

    From PNG's pHYs, a TIFF's resolution with a unit or its description (ImageJ, OME, Aperio), and
    the density in a JPEG. None if there is none, if it is none of tissue (72 dots per inch), or for
    what is no image.
    """
    try:
        with opened_header(source, "image") as image:
            return resolution_in(image)
    except InputError:
        return None


def resolution_in(image: Image.Image) -> float | None:
    """The same of an image that is open already."""
    try:
        return next((mpp for mpp in map(plausible_mpp, _told(image)) if mpp is not None), None)
    except Exception:  # odd tags may surface as any exception
        return None


def _told(image: Image.Image) -> list[tuple[float, float]]:
    """Microns per pixel, across and down, from the surest source on."""
    if image.format not in ("TIFF", "PNG", "JPEG", "MPO"):
        return []
    found = _described(image) if image.format == "TIFF" else []
    if "dpi" in image.info:
        across, down = (float(dots) for dots in image.info["dpi"])
        if across > 0 and down > 0:
            found.append((_MICRONS_PER_INCH / across, _MICRONS_PER_INCH / down))
    return found


def _described(image: Image.Image) -> list[tuple[float, float]]:
    """What the programs of microscopes write into the description of a TIFF."""
    tags = getattr(image, "tag_v2", {})
    text = tags.get(_DESCRIPTION)
    if not isinstance(text, str):
        return []
    if text.startswith("ImageJ=") and _IMAGEJ_UNIT.search(text):
        return [(1 / float(tags[_X_RESOLUTION]), 1 / float(tags[_Y_RESOLUTION]))]
    if "<OME" in text and set(_OME_UNIT.findall(text)) <= set(_MICRON_NAMES):
        sizes = dict(_OME_SIZE.findall(text))
        return [(float(sizes["X"]), float(sizes["Y"]))] if len(sizes) == 2 else []
    if text.startswith("Aperio") and (match := _APERIO_MPP.search(text)):
        return [(float(match[1]), float(match[1]))]
    return []


def plausible_mpp(told: tuple[float, float]) -> float | None:
    """Microns per pixel, told across and down, if pixels are square and of a microscope."""
    across, down = told
    lowest, highest = _PLAUSIBLE_MPP
    if not (lowest <= across <= highest and 1 / _SQUARE_RATIO <= across / down <= _SQUARE_RATIO):
        return None
    return across
