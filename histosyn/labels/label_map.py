"""Reading and writing label maps: pixels of a file to class indices, and back.

A label map in memory is always an array of class indices; colours exist only in files.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from histosyn.images.file import ImageSource
from histosyn.images.tiles import png_bytes
from histosyn.labels.channels import NO_CHANNEL
from histosyn.labels.class_values import values_text
from histosyn.labels.pixel_values import (
    PixelValues,
    packed_colors,
    read_pixel_values,
    unpacked_colors,
)
from histosyn.labels.schema import (
    MAX_CLASSES,
    LabelClass,
    LabelSchema,
    built_in_schemas,
    load_schema,
    parse_schema,
    schema_from_dict,
)
from hpc.errors import LabelError

__all__ = [
    "COLOR_TOLERANCE",
    "MAX_CLASSES",
    "LabelClass",
    "LabelSchema",
    "Meaning",
    "UnknownValue",
    "built_in_schemas",
    "checked_indices",
    "colorize",
    "is_our_own",
    "label_image",
    "label_png_bytes",
    "labels_of_values",
    "load_schema",
    "meaning_of",
    "parse_schema",
    "read_label_map",
    "schema_from_dict",
    "unknown_values_of",
]

# Largest difference in any of R, G, B at which a colour still snaps to a class. The original's own
# example maps are off by up to 23 (colour management); its closest class colours differ by 41.
COLOR_TOLERANCE = 24
# What masks have beside 0.
_MASK_VALUE = 255


@dataclass(frozen=True, kw_only=True)
class Meaning:
    """The classes of pixel values: `classes` uint8 (n,) where `known` bool (n,) is true.

    `by_color` says whether their colours count or their indices; a palette file is `mixed` if some
    of its colours are class colours and others are not.
    """

    by_color: bool
    classes: np.ndarray
    known: np.ndarray
    mixed: bool = False


@dataclass(frozen=True, kw_only=True)
class UnknownValue:
    """A value or "#rrggbb" that means no class. A colour has a `nearest` class, `distance` away.

    Distance is the largest difference in any of R, G and B.
    """

    code: int | str
    pixels: int
    nearest: LabelClass | None = None
    distance: int | None = None


def read_label_map(
    source: ImageSource,
    schema: LabelSchema,
    *,
    name: str | None = None,
    tolerance: int = COLOR_TOLERANCE,
) -> np.ndarray:
    """Read a label map, a path or the bytes of an image file, as uint8 class indices (H, W).

    Grayscale files hold the values that the schema gives its classes: their indices, unless it
    says `value`. Colour files hold class colours. A palette file holds indices, whatever the schema
    says, if its used entries are the schema's own, as in the files that histosyn writes. Otherwise
    its colours count if all of them are class colours, its values if none is (or only those of
    ignored values are not, and both say the same); a mixture is an error. Where all are grays of
    their own values, values that the schema knows count before colours that are merely near.

    A colour may differ from that of its class by `tolerance`, 0 to 255, in each of R, G and B.

    Raises LabelError naming the file (or `name`) and the value or colour of most of the offending
    pixels, DatasetError if there is no file or it cannot be read as an image.
    """
    name = name or str(source)
    pixel_values, value_of_pixel_HW = read_pixel_values(source, name)
    return checked_meaning(pixel_values, schema, name, tolerance)[value_of_pixel_HW]


def checked_meaning(
    pixel_values: PixelValues, schema: LabelSchema, name: str, tolerance: int = COLOR_TOLERANCE
) -> np.ndarray:
    """The class of each pixel value, uint8 (n,); LabelError, as `read_label_map` has it."""
    meaning = meaning_of(pixel_values, schema, tolerance)
    if not meaning.known.all():
        raise LabelError(f"{name}: {_complaint(pixel_values, meaning, schema, tolerance)}")
    return meaning.classes


def meaning_of(
    pixel_values: PixelValues, schema: LabelSchema, tolerance: int = COLOR_TOLERANCE
) -> Meaning:
    """Which class each code means, as `read_label_map` takes it."""
    by_value = None
    if pixel_values.indices is not None:
        if pixel_values.channels:
            return _of_channels(pixel_values.indices, schema)
        if is_our_own(pixel_values, schema):
            every = np.ones(len(pixel_values.indices), dtype=bool)
            return Meaning(by_color=False, classes=pixel_values.indices, known=every)
        by_value = Meaning(
            by_color=False,
            classes=schema.class_of_value[pixel_values.indices],
            known=schema.known_values[pixel_values.indices],
        )
        if pixel_values.colors is None:
            return by_value
    snap = _snap(_colors(pixel_values), schema, tolerance)
    if by_value is not None and _counts_by_value(pixel_values, by_value, snap, schema):
        return by_value
    mixed = by_value is not None and not pixel_values.all_gray and not snap.near.all()
    return Meaning(by_color=True, classes=snap.classes, known=snap.near, mixed=mixed)


def _of_channels(numbers: np.ndarray, schema: LabelSchema) -> Meaning:
    """A channel is the class of its number; where there is nothing in any, there is no label."""
    nothing = (numbers == NO_CHANNEL) & (schema.ignore is not None)
    return Meaning(
        by_color=False,
        classes=np.where(nothing, schema.ignore or 0, numbers).astype(np.uint8),
        known=(numbers < len(schema)) | nothing,
    )


def is_our_own(pixel_values: PixelValues, schema: LabelSchema) -> bool:
    """Whether a palette file has class indices in the schema's colours, as histosyn writes it."""
    if (
        pixel_values.indices is None
        or pixel_values.colors is None
        or not schema.allowed[pixel_values.indices].all()
    ):
        return False
    return np.array_equal(pixel_values.colors, schema.file_palette[pixel_values.indices])


def _counts_by_value(
    pixel_values: PixelValues, by_value: Meaning, snap: _Snap, schema: LabelSchema
) -> bool:
    """Whether of a file that has both, values count and not colours."""
    if not snap.near.any():
        return not pixel_values.all_gray or bool(by_value.known.any())
    if not pixel_values.all_gray:
        return _ignores_the_rest(by_value, snap, schema)
    # A gray that is not quite a class colour (1 is near black); or the schema names values.
    named = any(item.value for item in schema.classes)
    same = by_value.classes == snap.classes
    return bool(by_value.known.all() and (named or ((snap.distances > 0) | same).any()))


def _ignores_the_rest(by_value: Meaning, snap: _Snap, schema: LabelSchema) -> bool:
    """Whether values mean what colours mean, where these are of classes, and else ignored."""
    if schema.ignore is None:
        return False
    agree = np.where(snap.near, snap.classes, schema.ignore) == by_value.classes
    return bool(not snap.near.all() and by_value.known.all() and agree.all())


def unknown_values_of(
    pixel_values: PixelValues, meaning: Meaning, schema: LabelSchema
) -> list[UnknownValue]:
    """The pixel values that mean nothing under the schema, the one of most pixels first."""
    far = np.flatnonzero(~meaning.known)
    if not meaning.by_color and pixel_values.indices is not None:
        found = [
            UnknownValue(code=int(value), pixels=int(pixels))
            for value, pixels in zip(
                pixel_values.indices[far], pixel_values.pixels[far], strict=True
            )
        ]
        return sorted(found, key=lambda item: -item.pixels)
    # Several entries of a palette may have one colour.
    used, inverse = np.unique(packed_colors(_colors(pixel_values)[far]), return_inverse=True)
    pixels = np.bincount(inverse, weights=pixel_values.pixels[far])
    colors = unpacked_colors(used)
    snap = _snap(colors, schema, COLOR_TOLERANCE)
    return [
        UnknownValue(
            code=f"#{bytes(colors[i]).hex()}",
            pixels=int(pixels[i]),
            nearest=schema.classes[snap.classes[i]],
            distance=int(snap.distances[i]),
        )
        for i in np.argsort(-pixels, kind="stable")
    ]


def labels_of_values(values_HW: np.ndarray, schema: LabelSchema, name: str) -> np.ndarray:
    """Class indices uint8 (H, W) of the uint8 values of an index file, which errors call `name`.

    Raises LabelError naming a value that the schema does not know.
    """
    _refuse_strange(values_HW, schema.known_values, schema, name, _known_text(schema))
    return schema.class_of_value[values_HW]


def checked_indices(labels_HW: np.ndarray, schema: LabelSchema, name: str) -> np.ndarray:
    """The class indices `labels_HW`, uint8, themselves; LabelError naming one outside the schema.

    What the schema says of values in files does not matter: these are no file's.
    """
    known_text = f"indices are 0 to {len(schema) - 1}"
    _refuse_strange(labels_HW, schema.allowed, schema, name, known_text)
    return labels_HW


def _refuse_strange(
    values_HW: np.ndarray, known: np.ndarray, schema: LabelSchema, name: str, known_text: str
) -> None:
    """LabelError for values that are not `known`, bool (256,), naming the most frequent one."""
    strange = np.where(known, 0, np.bincount(values_HW.ravel(), minlength=256))
    worst = int(strange.argmax())
    if strange[worst]:
        raise LabelError(f"{name}: {_outside(worst, int(strange[worst]), schema, known_text)}")


def _known_text(schema: LabelSchema) -> str:
    """What index files may hold, as errors say it."""
    if schema.values_are_indices:
        return f"indices are 0 to {len(schema) - 1}"
    return f"values in files are {values_text(schema.known_values)}"


def _outside(value: int, pixels: int, schema: LabelSchema, known_text: str) -> str:
    mask = " If 255 stands for a class, say value = 255 in it." if value == _MASK_VALUE else ""
    return (
        f"value {value} ({pixels} pixels) is outside schema {schema.name}, whose {known_text}. "
        f"Relabel the file or use the right schema.{mask}"
    )


def label_image(labels_HW: np.ndarray, schema: LabelSchema) -> Image.Image:
    """A palette image whose pixel values are the class indices, in the schema's colours."""
    image = Image.fromarray(np.ascontiguousarray(labels_HW, dtype=np.uint8))
    image.putpalette(schema.file_palette.tobytes())
    return image


def label_png_bytes(labels_HW: np.ndarray, schema: LabelSchema) -> bytes:
    """Encode a label map as palette PNG; raises LabelError for an index outside the schema."""
    checked_indices(labels_HW, schema, "label map")
    return png_bytes(label_image(labels_HW, schema))


def colorize(labels_HW: np.ndarray, schema: LabelSchema) -> np.ndarray:
    """Label map as uint8 RGB (H, W, 3), for pictures that people look at."""
    return np.asarray(label_image(labels_HW, schema).convert("RGB"))


def _colors(pixel_values: PixelValues) -> np.ndarray:
    if pixel_values.colors is None:
        raise ValueError("pixel values without colours")
    return pixel_values.colors


@dataclass(frozen=True, kw_only=True)
class _Snap:
    """For each of n colours the nearest class, how far it is, and whether that is near enough.

    Distance is the largest channel difference. A colour must also be twice as near to its class as
    to any other: halfway between two classes it could mean either.
    """

    classes: np.ndarray
    distances: np.ndarray
    near: np.ndarray


def _snap(colors: np.ndarray, schema: LabelSchema, tolerance: int) -> _Snap:
    # Numbers of 16 bits: a file may have tens of thousands of colours, a schema 255 classes.
    palette = schema.palette[None].astype(np.int16)
    differences = np.abs(colors[:, None].astype(np.int16) - palette).max(axis=2)
    nearest, second = np.sort(differences, axis=1)[:, :2].T
    return _Snap(
        classes=differences.argmin(axis=1).astype(np.uint8),
        distances=nearest,
        near=(nearest <= tolerance) & (2 * nearest <= second),
    )


def _complaint(
    pixel_values: PixelValues, meaning: Meaning, schema: LabelSchema, tolerance: int
) -> str:
    worst, *others = unknown_values_of(pixel_values, meaning, schema)
    if pixel_values.channels:
        return _channel_complaint(worst, schema)
    if worst.nearest is None:
        return _outside(int(worst.code), worst.pixels, schema, _known_text(schema))
    more = f" (and {len(others)} other colours)" if others else ""
    remedy = (
        "Others in its palette are class colours, so it could mean colours or indices. Recolour "
        "it, use the schema it was drawn with, or save its indices as 8-bit grayscale."
        if meaning.mixed
        else "Recolour the file or use the schema it was drawn with."
    )
    return (
        f"colour {worst.code} ({worst.pixels} pixels){more} belongs to no class of schema "
        f"{schema.name}; nearest is {worst.nearest.name} {worst.nearest.color}, off by "
        f"{worst.distance} (tolerance {tolerance}). {remedy}"
    )


def _channel_complaint(worst: UnknownValue, schema: LabelSchema) -> str:
    if worst.code == NO_CHANNEL:
        return (
            f"{worst.pixels} pixels are in none of its channels, and schema {schema.name} ignores "
            "nothing. Add ignore = 255 to the schema, or a channel for what lies outside."
        )
    return (
        f"there is a channel number {worst.code}, counted from 0 ({worst.pixels} pixels), and "
        f"schema {schema.name} has {len(schema)} classes. Name the schema that it was drawn with."
    )
