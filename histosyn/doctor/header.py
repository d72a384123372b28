"""What an image file says of itself that its pixels, once decoded, do not tell."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from PIL import Image

_MICRONS_PER_INCH = 25_400
# Microns per pixel of microscopes and scanners. Programs that know of none write 72, 96 or 300 dots
# per inch, which is 353 to 85 microns.
_PLAUSIBLE_MPP = (0.05, 20.0)
# Horizontal and vertical resolution of one tile may differ so much.
_SQUARE_RATIO = 1.01


@dataclass(frozen=True, kw_only=True)
class Header:
    """`mpp` is microns per pixel, if plausible.

    Two surprises are decoded without a word: `deep` colours in 16 bits a channel, cut to 8, and
    colours that the file declares `see_through`.
    """

    mpp: float | None = None
    deep: bool = False
    see_through: bool = False


def read_header(path: Path) -> Header:
    """The header of an image that could be decoded; nothing of another file."""
    try:
        with Image.open(path) as image:
            return Header(
                mpp=_mpp(image), deep=_is_deep(image), see_through="transparency" in image.info
            )
    # Pixels that could be decoded are all that counts: odd tags may surface as any exception.
    except Exception:
        return Header()


def _mpp(image: Image.Image) -> float | None:
    """From TIFF tags with a unit or a PNG's pHYs, which Pillow translates to dots per inch."""
    if image.format not in ("TIFF", "PNG"):
        return None
    try:
        across, down = (_MICRONS_PER_INCH / float(dots) for dots in image.info["dpi"])
    except (KeyError, TypeError, ValueError, ArithmeticError):
        return None
    lowest, highest = _PLAUSIBLE_MPP
    if not (lowest <= across <= highest and 1 / _SQUARE_RATIO <= across / down <= _SQUARE_RATIO):
        return None
    return across


def _is_deep(image: Image.Image) -> bool:
    """Whether the decoder is told of 16-bit values although the pixels come out in 8 bits."""
    if image.mode not in ("RGB", "RGBA"):
        return False
    pieces = getattr(image, "tile", None) or [("", None, 0, "")]
    arguments = pieces[0][3]
    return ";16" in str(arguments if isinstance(arguments, str) else arguments[0])
