"""Reading and writing image files: every failure becomes one sentence that names the file."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, PngImagePlugin, UnidentifiedImageError

from hpc.errors import DatasetError

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp"})
# A tile is cut from a slide: 16k x 16k is far beyond any, and still fits into memory.
MAX_PIXELS = 1 << 28


def find_images(folder: Path) -> list[Path]:
    """All image files below `folder`, hidden ones left out, sorted by name."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in IMAGE_SUFFIXES
        and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )


@contextmanager
def opened_image(source: Path | bytes, name: str) -> Iterator[Image.Image]:
    """Open and fully decode an image; `name` is what an error calls it.

    Raises DatasetError for a missing, damaged or absurdly large image.
    """
    try:
        with warnings.catch_warnings():
            # Pillow only warns up to twice its own limit; the size check below is ours.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as image:
                _check_size(image, name)
                image.load()
                yield image
    except FileNotFoundError as error:
        raise DatasetError(f"{name} does not exist. Check the path.") from error
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise DatasetError(
            f"{name} cannot be read as an image ({error}). Replace the file or leave it out."
        ) from error
    except Image.DecompressionBombError as error:
        raise DatasetError(f"{name} claims an absurd size ({error}). Leave it out.") from error


def read_tile(source: Path | bytes, name: str | None = None) -> np.ndarray:
    """Read a tile as uint8 RGB of shape (H, W, 3).

    Raises DatasetError for grayscale or 16-bit images, or where alpha isn't opaque: none of these
    is an H&E tile, and guessing what was meant would change colours in silence.
    """
    name = name or str(source)
    with opened_image(source, name) as image:
        if image.mode == "RGBA" and image.getchannel("A").getextrema() != (255, 255):
            raise DatasetError(f"{name} has transparent pixels. Save it as opaque 8-bit RGB.")
        if image.mode not in ("RGB", "RGBA", "P"):
            raise DatasetError(
                f"{name} has mode {image.mode}, a tile must be 8-bit RGB. Convert the file."
            )
        return np.asarray(image.convert("RGB"))


def png_bytes(image: Image.Image, text: dict[str, str] | None = None) -> bytes:
    """Encode as PNG; `text` goes into iTXt chunks. The same pixels and text give the same bytes."""
    info = PngImagePlugin.PngInfo()
    for key, value in (text or {}).items():
        info.add_itxt(key, value)
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", pnginfo=info, compress_level=6)
    return buffer.getvalue()


def read_png_text(path: Path) -> dict[str, str]:
    """The text chunks of a PNG, pixels not decoded; empty if it is no readable PNG."""
    try:
        with Image.open(path) as image:
            return {key: str(value) for key, value in getattr(image, "text", {}).items()}
    except (OSError, SyntaxError, ValueError):
        return {}


def _check_size(image: Image.Image, name: str) -> None:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise DatasetError(
            f"{name} claims {width}x{height} pixels, more than {MAX_PIXELS:,}. "
            "Cut it into tiles first."
        )
