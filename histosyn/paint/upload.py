"""Reading uploaded label maps, and which of their colours were snapped to a class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from histosyn.images.file import opened_header
from histosyn.labels.label_map import meaning_of, read_label_map
from histosyn.labels.pixel_values import packed_colors, read_pixel_values, unpacked_colors
from histosyn.labels.schema import LabelSchema
from hpc.errors import DatasetError


@dataclass(frozen=True, kw_only=True)
class Snapped:
    """A colour that is not quite a class's own: taken for class `index`, `distance` away."""

    color: str
    index: int
    pixels: int
    distance: int


@dataclass(frozen=True, kw_only=True)
class ReadMap:
    """A label map, uint8 (H, W), and the colours of the file that were snapped to a class."""

    labels_HW: np.ndarray
    snapped: tuple[Snapped, ...]


def read_upload(data: bytes, name: str, schema: LabelSchema, most_pixels: int) -> ReadMap:
    """Read an image file as `read_label_map` does; its size is looked at before it is decoded.

    Raises DatasetError for what is no image or too large, LabelError for colours that mean nothing.
    """
    _check_size(data, name, most_pixels)
    labels_HW = read_label_map(data, schema, name=name)
    return ReadMap(labels_HW=labels_HW, snapped=_snapped(data, name, schema))


def _check_size(data: bytes, name: str, most_pixels: int) -> None:
    with opened_header(data, name) as image:
        width, height = image.size
    if width * height > most_pixels:
        raise DatasetError(
            f"{name} has {width} x {height} pixels; this server takes {most_pixels:,}. Cut it."
        )


def _snapped(data: bytes, name: str, schema: LabelSchema) -> tuple[Snapped, ...]:
    pixel_values, _ = read_pixel_values(data, name)
    meaning = meaning_of(pixel_values, schema)
    if not meaning.by_color or pixel_values.colors is None:
        return ()
    # Several entries of a palette may have one colour.
    colors, first, inverse = np.unique(
        packed_colors(pixel_values.colors), return_index=True, return_inverse=True
    )
    pixels = np.bincount(inverse, weights=pixel_values.pixels)
    own = schema.palette[meaning.classes[first]].astype(int)
    distances = np.abs(unpacked_colors(colors).astype(int) - own).max(axis=1)
    return tuple(
        Snapped(
            color=f"#{bytes(unpacked_colors(colors[i : i + 1])[0]).hex()}",
            index=int(meaning.classes[first[i]]),
            pixels=int(pixels[i]),
            distance=int(distances[i]),
        )
        for i in np.argsort(-pixels, kind="stable")
        if distances[i] and pixels[i]
    )
