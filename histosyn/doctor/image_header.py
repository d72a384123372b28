"""Metadata of an image file: resolution, bit depth, transparency, orientation."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from histosyn.images.file import opened_header
from histosyn.images.orientation import orientation_of
from histosyn.images.pages import MASK
from histosyn.images.resolution import resolution_in


@dataclass(frozen=True, kw_only=True)
class Header:
    """`mpp` is microns per pixel, if plausible.

    Three surprises are decoded without a word: `deep` colours in 16 bits a channel, cut to 8,
    colours that the file declares `see_through`, and lying images that are `turned` upright.
    """

    mpp: float | None = None
    deep: bool = False
    see_through: bool = False
    turned: bool = False


def read_header(path: Path) -> Header:
    """The header of an image that could be decoded; nothing of another file."""
    try:
        with opened_header(path, str(path)) as image:
            return Header(
                mpp=resolution_in(image),
                deep=_is_deep(image),
                turned=orientation_of(image) != 1,
                see_through="transparency" in image.info or MASK in image.info,
            )
    # Pixels that could be decoded are all that counts: odd tags may surface as any exception.
    except Exception:
        return Header()


def _is_deep(image: Image.Image) -> bool:
    """Whether the decoder is told of 16-bit values although the pixels come out in 8 bits."""
    if image.mode not in ("RGB", "RGBA"):
        return False
    pieces = getattr(image, "tile", None) or [("", None, 0, "")]
    arguments = pieces[0][3]
    return ";16" in str(arguments if isinstance(arguments, str) else arguments[0])
