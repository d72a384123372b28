"""The distinct pixel values of a label map file, before a schema assigns them to classes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from histosyn.images.file import ImageSource, opened_image
from histosyn.images.limits import MOST_COLORS
from histosyn.images.pages import PagesError
from histosyn.labels.channels import read_channels
from hpc.errors import LabelError

_PIECE = 1 << 22


class TooManyColorsError(LabelError):
    """A file has more colours than a drawing."""


@dataclass(frozen=True, kw_only=True)
class PixelValues:
    """The n different pixels of a label map file, before a schema says what they mean.

    `pixels` int64 (n,) counts them. `indices` uint8 (n,) are the values in a grayscale or palette
    file, `colors` uint8 (n, 3) the colours in a palette or colour file. A colour file of grays only
    has both: with three equal channels programs write colours, but indices and masks as well.
    Of a file that has a channel for each class, the `indices` are numbers of `channels`, and 255
    where there is nothing in any.
    """

    pixels: np.ndarray
    indices: np.ndarray | None = None
    colors: np.ndarray | None = None
    channels: bool = False

    @property
    def all_gray(self) -> bool:
        """Whether each index has the gray of its own value for its colour."""
        if self.indices is None or self.colors is None:
            return False
        return bool((self.colors == self.indices[:, None]).all())


def read_pixel_values(source: ImageSource, name: str) -> tuple[PixelValues, np.ndarray]:
    """Read a label map's pixel values, and which of them each pixel has: integers (H, W).

    Raises DatasetError for a damaged file, LabelError for one that cannot hold labels: after lossy
    compression, with transparency, in more colours than a drawing has.
    """
    try:
        return _read_image(source, name)
    except PagesError:
        channels_HW = read_channels(source, name)
        if channels_HW is None:
            raise
        pixel_values, value_of_pixel_HW = index_pixel_values(channels_HW)
        return replace(pixel_values, channels=True), value_of_pixel_HW


def _read_image(source: ImageSource, name: str) -> tuple[PixelValues, np.ndarray]:
    with opened_image(source, name, lossless=True) as image:
        if image.mode in ("L", "1"):
            return index_pixel_values(np.array(image, dtype=np.uint8))
        if image.mode == "P":
            pixel_values, value_of_pixel_HW = index_pixel_values(np.asarray(image))
            return replace(
                pixel_values, colors=_palette_of(image)[pixel_values.indices]
            ), value_of_pixel_HW
        if image.mode in ("RGB", "RGBA"):
            return _color_pixel_values(_opaque(image, name), name)
        raise LabelError(
            f"{name} has mode {image.mode}; a label map must be 8-bit indices or 8-bit RGB. "
            f"Convert the file{_if_objects(image.mode)}."
        )


def _if_objects(mode: str) -> str:
    return ", or if it numbers objects, pack it with --objects-are CLASS" if mode[0] == "I" else ""


def index_pixel_values(values_HW: np.ndarray) -> tuple[PixelValues, np.ndarray]:
    """The distinct values of an index map, and which of them each pixel has: uint8 (H, W)."""
    flat = values_HW.ravel()
    # Piece by piece: counting takes eight bytes a pixel for as long as it lasts.
    counts = np.zeros(256, dtype=np.int64)
    for start in range(0, flat.size, _PIECE):
        counts += np.bincount(flat[start : start + _PIECE], minlength=256)
    used = np.flatnonzero(counts)
    code_of_value = np.zeros(256, dtype=np.uint8)
    code_of_value[used] = np.arange(len(used))
    pixel_values = PixelValues(pixels=counts[used], indices=used.astype(np.uint8))
    return pixel_values, code_of_value[values_HW]


def _palette_of(image: Image.Image) -> np.ndarray:
    """The colours of all 256 values of a palette image, uint8 (256, 3)."""
    row = Image.fromarray(np.arange(256, dtype=np.uint8)[None])
    row.putpalette(image.getpalette() or [])
    return np.asarray(row.convert("RGB"))[0]


def _color_pixel_values(pixels_HWC: np.ndarray, name: str) -> tuple[PixelValues, np.ndarray]:
    packed = packed_colors(pixels_HWC)
    # Areas have one colour: only the pixels that begin a run of equal ones need sorting.
    flat = packed.ravel()
    starts = np.concatenate([[0], np.flatnonzero(flat[1:] != flat[:-1]) + 1])
    _check_number_of_colors(flat[starts], name)
    used, run_code = np.unique(flat[starts], return_inverse=True)
    lengths = np.diff(starts, append=flat.size)
    pixels = np.bincount(run_code, weights=lengths).astype(np.int64)
    colors = unpacked_colors(used)
    grays = colors[:, 0] if (colors == colors[:, :1]).all() else None
    pixel_values = PixelValues(pixels=pixels, indices=grays, colors=colors)
    # There are at most 65,536 pixel values: two bytes a pixel will do.
    return pixel_values, np.repeat(run_code.astype(np.uint16), lengths).reshape(packed.shape)


def _check_number_of_colors(packed: np.ndarray, name: str) -> None:
    """Before they are sorted and compared with classes, which takes memory for each of them."""
    if len(packed) <= MOST_COLORS:
        return
    seen = np.zeros(1 << 24, dtype=bool)
    seen[packed] = True
    count = int(np.count_nonzero(seen))
    if count > MOST_COLORS:
        raise TooManyColorsError(
            f"{name} has {count:,} different colours, a drawing has at most {MOST_COLORS:,}: it "
            "is a photograph or noise, not a label map. Give the label map."
        )


def _opaque(image: Image.Image, name: str) -> np.ndarray:
    pixels = np.asarray(image)
    if image.mode == "RGBA" and (pixels[..., 3] != 255).any():
        raise LabelError(f"{name} has transparent pixels. Save it as opaque RGB.")
    return pixels[..., :3]


def packed_colors(colors: np.ndarray) -> np.ndarray:
    """RGB as one integer a colour: uint32 of shape (...), from uint8 (..., 3)."""
    packed = colors[..., 0].astype(np.uint32)
    for channel in (1, 2):
        # In place: several times as fast as joining shifted channels.
        packed <<= 8
        packed |= colors[..., channel]
    return packed


def unpacked_colors(packed: np.ndarray) -> np.ndarray:
    """The colours that `packed_colors` made integers of."""
    return np.stack([packed >> 16, packed >> 8, packed], axis=-1).astype(np.uint8)
