"""Tiles as arrays, and images as PNG files."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image, PngImagePlugin

from histosyn.images.file import REPLACE, ImageSource, opened_header, opened_image
from hpc.errors import DatasetError

# Glass, which the light passes unhindered, is brighter than this in R, G and B.
GLASS_VALUE = 220


def read_tile(source: ImageSource, name: str | None = None, *, intact: bool = False) -> np.ndarray:
    """Read a tile as uint8 RGB of shape (H, W, 3), an array of its own.

    Raises DatasetError for grayscale or 16-bit images, or where alpha isn't opaque: none of these
    is an H&E tile, and guessing what was meant would change colours in silence.
    """
    name = name or str(source)
    with opened_image(source, name, intact=intact) as image:
        if image.mode == "RGBA" and image.getchannel("A").getextrema() != (255, 255):
            raise DatasetError(f"{name} has transparent pixels. Save it as opaque 8-bit RGB.")
        if image.mode not in ("RGB", "RGBA", "P"):
            raise DatasetError(
                f"{name} has mode {image.mode}, a tile must be 8-bit RGB. Convert the file."
            )
        return np.array(image if image.mode == "RGB" else image.convert("RGB"))


def glass_share(tile_HWC: np.ndarray) -> float:
    """Share in [0, 1] of the pixels that show glass and no tissue."""
    # A minimum over the last axis would take seven times as long.
    red, green, blue = (tile_HWC[..., channel] > GLASS_VALUE for channel in range(3))
    return float((red & green & blue).mean())


def without_remedy(error: Exception) -> str:
    """What an error says, but for the advice about a file, which one in a shard is not."""
    return str(error).removesuffix(REPLACE).rstrip(" .")


def png_bytes(image: Image.Image, text: dict[str, str] | None = None) -> bytes:
    """Encode as PNG; `text` goes into iTXt chunks. The same pixels and text give the same bytes."""
    info = PngImagePlugin.PngInfo()
    for key, value in (text or {}).items():
        info.add_itxt(key, value)
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", pnginfo=info, compress_level=6)
    return buffer.getvalue()


def read_png_text(source: Path | bytes) -> dict[str, str]:
    """The text chunks of a PNG, pixels not decoded; empty if it is no readable PNG."""
    name = "PNG" if isinstance(source, bytes) else str(source)
    try:
        with opened_header(source, name) as image:
            return {key: str(value) for key, value in getattr(image, "text", {}).items()}
    except Exception:  # of damage behind the header, which has any type
        return {}
