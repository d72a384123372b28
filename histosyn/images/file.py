"""Opening image files: the only module that calls Pillow's `Image.open`.

A file is measured before it is decoded, read in a closed list of formats whatever it is called,
refused if it holds several images, and turned upright. Every failure becomes one sentence that
names the file.
"""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from PIL import Image, TiffImagePlugin

from histosyn.images.compression import require_lossless
from histosyn.images.formats import format_of, kind_of
from histosyn.images.limits import MAX_FILE_BYTES, MAX_PIXELS, MOST_JPEG_SCANS
from histosyn.images.orientation import turn_upright, upright_size
from histosyn.images.pages import PagesError, require_one_image
from hpc.errors import DatasetError, InputError
from hpc.files import open_regular_file

ImageSource = bytes | str | os.PathLike[str]
REPLACE = "Replace the file or leave it out."
_TILE_WIDTH, _TILE_LENGTH, _SAMPLES = 322, 323, 277
_SCAN = b"\xff\xda"


@contextmanager
def opened_image(
    source: ImageSource, name: str, *, intact: bool = False, lossless: bool = False
) -> Iterator[Image.Image]:
    """Open and fully decode an image, upright; `name` is what an error calls it.

    `source` is a path or the bytes of a file. The checksums in a PNG are compared, which Pillow
    does not do for pixels when it decodes; there is no need if the bytes are known to be `intact`.
    Raises DatasetError for a missing, damaged or absurdly large file and one with several images,
    and LossyError if it is to be `lossless` and is not.
    """
    with _decoded(source, name, intact, lossless) as image:
        yield image


@contextmanager
def opened_header(source: ImageSource, name: str) -> Iterator[Image.Image]:
    """Open an image to see what its file says, pixels not decoded.

    Raises DatasetError as `opened_image` does, but for damage in the pixels.
    """
    with ExitStack() as until_read:
        with _one_sentence(name):
            image = until_read.enter_context(_opened(image_bytes(source, name), name))
        yield image


@contextmanager
def opened_frames(source: ImageSource, name: str) -> Iterator[Image.Image]:
    """Open an image that may hold several, at the first of them, to be gone through by `seek`.

    Raises DatasetError as `opened_image` does, also for what is met in the block.
    """
    with _one_sentence(name), ExitStack() as until_read:
        data = image_bytes(source, name)
        yield until_read.enter_context(_opened(data, name, single=False))


def size_in_header(source: ImageSource) -> tuple[int, int] | None:
    """Height and width of an image as it will be decoded, upright; None if it is none.

    For a first look: who reads the image then is told what is wrong with it.
    """
    try:
        with _one_sentence(""), ExitStack() as until_read:
            data = image_bytes(source, "")
            return upright_size(until_read.enter_context(_opened(data, "")), data)
    except InputError:
        return None


def _decoded(source: ImageSource, name: str, intact: bool, lossless: bool) -> Image.Image:
    with _one_sentence(name), ExitStack() as until_decoded:
        data = image_bytes(source, name)
        image = until_decoded.enter_context(_opened(data, name))
        if image.format == "PNG" and not intact:
            image.verify()
            image = until_decoded.enter_context(_opened(data, name))
        if lossless:
            require_lossless(image, data, name)
        image.load()
        turn_upright(image)
        until_decoded.pop_all()
        return image


def image_bytes(source: ImageSource, name: str) -> bytes:
    """The content of a regular file of sensible size, or what was given."""
    if not isinstance(source, bytes):
        with open_regular_file(Path(source)) as file:
            _check_bytes(os.fstat(file.fileno()).st_size, name)
            return file.read()
    _check_bytes(len(source), name)
    return source


def _check_bytes(size: int, name: str) -> None:
    if size > MAX_FILE_BYTES:
        raise DatasetError(
            f"{name} has {size:,} bytes, more than {MAX_FILE_BYTES:,}. Cut it into tiles or leave "
            "it out."
        )


def _opened(data: bytes, name: str, *, single: bool = True) -> Image.Image:
    """An image that is known by its first bytes, its size and number looked at, not decoded."""
    kind = format_of(data)
    if kind is None:
        other = kind_of(data)
        inside = f", but {other} inside" if other else ""
        raise DatasetError(f"{name} is no image of a known kind{inside}. {REPLACE}")
    with warnings.catch_warnings():
        # Of Pillow at half of its own limit, and of odd metadata: `MAX_PIXELS` is what counts.
        warnings.simplefilter("ignore")
        try:
            image = Image.open(io.BytesIO(data), formats=(kind,))
        except Image.UnidentifiedImageError as error:
            raise _unknown(data, kind, name) from error
        _check_pixels(image, name)
        if "progressive" in image.info and data.count(_SCAN) > MOST_JPEG_SCANS:
            raise DatasetError(f"{name} has more than {MOST_JPEG_SCANS} scans. {REPLACE}")
        if single:
            require_one_image(image, name)
    return image


def _check_pixels(image: Image.Image, name: str) -> None:
    tags = getattr(image, "tag_v2", {})
    piece = tags.get(_TILE_WIDTH, 0) * tags.get(_TILE_LENGTH, 0)
    if max(image.width * image.height, piece) > MAX_PIXELS:
        raise DatasetError(_too_large(name))


def _too_large(name: str) -> str:
    return f"{name} claims more than {MAX_PIXELS:,} pixels. Cut it into tiles or leave it out."


def _unknown(data: bytes, kind: str, name: str) -> DatasetError:
    """Why a file that begins as it should cannot be opened: damage, or too many channels."""
    channels = _channels_of_tiff(data) if kind == "TIFF" else 0
    if channels > 4:
        return PagesError(
            f"{name} holds {channels} channels; a tile has three, a label map one. Label maps with "
            "a channel for each class, of 0 and one other value, are read with tifffile, of the "
            "extra `slides`; export others as class indices, as PNG."
        )
    return DatasetError(
        f"{name} is no image of a known kind (a {kind} that cannot be understood). {REPLACE}"
    )


def _channels_of_tiff(data: bytes) -> int:
    try:
        file = io.BytesIO(data)
        tags = TiffImagePlugin.ImageFileDirectory_v2(file.read(16 if data[2] == 43 else 8))
        file.seek(tags.next)
        tags.load(file)
        return int(tags.get(_SAMPLES, 0))
    except Exception:  # it cannot be understood: that is told
        return 0


@contextmanager
def _one_sentence(name: str) -> Iterator[None]:
    """Whatever goes wrong becomes a DatasetError that names the file."""
    try:
        yield
    except InputError:
        raise
    except FileNotFoundError as error:
        raise DatasetError(f"{name} does not exist. Check the path.") from error
    except Image.DecompressionBombError as error:
        raise DatasetError(_too_large(name)) from error
    except Exception as error:  # what decoders stumble over in damaged files has any type
        cause = getattr(error, "strerror", None) or error
        raise DatasetError(f"{name} cannot be read as an image ({cause}). {REPLACE}") from error
