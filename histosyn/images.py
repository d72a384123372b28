"""Reading and writing image files: every failure becomes one sentence that names the file."""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, PngImagePlugin, UnidentifiedImageError

from hpc.errors import DatasetError

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp"})
# A tile is cut from a slide: 11,585 pixels squared are far beyond any, and still fit into memory.
# Below 2 * Image.MAX_IMAGE_PIXELS, where Pillow refuses by itself: so this is the limit that acts,
# and whatever histosyn writes below it can be read again.
MAX_PIXELS = 1 << 27
# Glass, which the light passes unhindered, is brighter than this in R, G and B.
GLASS_VALUE = 220
_REPLACE = "Replace the file or leave it out."


def find_images(folder: Path, suffixes: frozenset[str] = IMAGE_SUFFIXES) -> list[Path]:
    """All files of these suffixes below `folder`, hidden ones left out, sorted by name.

    Links to folders are followed, but not back into a folder that is being searched. Raises
    DatasetError for a folder that cannot be read and a link that leads nowhere.
    """
    return sorted(_files_below(folder, suffixes, frozenset({folder.resolve()})))


def _files_below(
    folder: Path, suffixes: frozenset[str], searched: frozenset[Path]
) -> Iterator[Path]:
    for path, kind in _entries(folder):
        suffix = path.suffix.lower()
        if kind == "folder":
            if (target := path.resolve()) not in searched:
                yield from _files_below(path, suffixes, searched | {target})
        elif kind == "file" and suffix in suffixes:
            yield path
        elif kind == "broken link" and suffix in suffixes | {""}:
            raise DatasetError(f"{path} is a link that leads nowhere. Repair or remove it.")


def _entries(folder: Path) -> list[tuple[Path, str]]:
    try:
        with os.scandir(folder) as entries:
            return [
                (folder / entry.name, _kind(entry))
                for entry in entries
                if not entry.name.startswith(".")
            ]
    except OSError as error:
        raise DatasetError(
            f"{folder} cannot be searched ({error.strerror}). Check its permissions."
        ) from error


def _kind(entry: os.DirEntry[str]) -> str:
    try:
        if entry.is_dir():
            return "folder"
        if entry.is_file():
            return "file"
    except OSError:  # a link to itself
        return "broken link"
    return "broken link" if entry.is_symlink() else "other"


@contextmanager
def opened_image(source: Path | bytes, name: str, *, intact: bool = False) -> Iterator[Image.Image]:
    """Open and fully decode an image; `name` is what an error calls it.

    The checksums in a PNG are compared, which Pillow does not do for pixels when it decodes; there
    is no need if the bytes are known to be `intact`. Raises DatasetError for a missing, damaged or
    absurdly large image.
    """
    with _decoded(source, name, intact) as image:
        yield image


def _decoded(source: Path | bytes, name: str, intact: bool) -> Image.Image:
    try:
        with _large_images(), ExitStack() as until_decoded:
            file = io.BytesIO(source if isinstance(source, bytes) else source.read_bytes())
            image = until_decoded.enter_context(Image.open(file))
            _check_size(image, name)
            if image.format == "PNG" and not intact:
                image.verify()
                file.seek(0)
                image = until_decoded.enter_context(Image.open(file))
            image.load()
            until_decoded.pop_all()
            return image
    except FileNotFoundError as error:
        raise DatasetError(f"{name} does not exist. Check the path.") from error
    except Image.DecompressionBombError as error:
        raise DatasetError(_too_large(name)) from error
    except UnidentifiedImageError as error:
        raise DatasetError(f"{name} is no image of a known kind. {_REPLACE}") from error
    except DatasetError:
        raise
    except Exception as error:  # what decoders stumble over in damaged files has any type
        raise DatasetError(f"{name} cannot be read as an image ({error}). {_REPLACE}") from error


def read_tile(source: Path | bytes, name: str | None = None, *, intact: bool = False) -> np.ndarray:
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
    return str(error).removesuffix(_REPLACE).rstrip(" .")


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
        with _large_images(), Image.open(path) as image:
            return {key: str(value) for key, value in getattr(image, "text", {}).items()}
    except Exception:
        return {}


def size_in_header(path: Path) -> tuple[int, int] | None:
    """Height and width that an image file claims to have, pixels not decoded; None if it is none.

    For a first look: who reads the image then is told what is wrong with it.
    """
    try:
        with _large_images(), Image.open(path) as image:
            return image.height, image.width
    except Exception:
        return None


@contextmanager
def _large_images() -> Iterator[None]:
    """Without Pillow's warning at half of its limit: `MAX_PIXELS` is ours."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        yield


def _check_size(image: Image.Image, name: str) -> None:
    if image.width * image.height > MAX_PIXELS:
        raise DatasetError(_too_large(name))


def _too_large(name: str) -> str:
    return f"{name} claims more than {MAX_PIXELS:,} pixels. Cut it into tiles or leave it out."
