"""Interpreting one label map by a schema: its classes, or why it does not fit."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, partial
from math import gcd
from typing import Literal

import numpy as np
from PIL import Image

from histosyn.labels.label_map import Meaning, UnknownValue, meaning_of, unknown_values_of
from histosyn.labels.pixel_values import PixelValues
from histosyn.labels.schema import LabelSchema, built_in_schemas, load_schema

Trouble = Literal["color", "value", "mixed", "scaled", "brightness"]
# Of one file so many strange colours are told; a photograph has 100,000.
KEPT_UNKNOWN = 256
# Indices are stretched over the brightness of a viewer by a factor of at least this.
_LEAST_STRETCH = 10


@dataclass(frozen=True, kw_only=True)
class Interpretation:
    """What one label map means: `pixels` int64 (256,) counts class indices, `unknown` the rest.

    `by_color` says whether its colours count or its indices; None if both say the same.
    A file that does not fit has a `trouble`: `unknown_values` are colours or values of no class; in
    a "mixed" palette other colours are class colours; "scaled" values are indices times a factor
    and "brightness" is class colours turned to gray, as `hint` explains. `palette` gives the
    colours that a palette file has for its indices, although these count, and `fits` the built-in
    schema that these colours are of.
    """

    by_color: bool | None
    pixels: np.ndarray
    unknown: int = 0
    trouble: Trouble | None = None
    unknown_values: tuple[UnknownValue, ...] = ()
    hint: str = ""
    palette: tuple[tuple[int, str], ...] = ()
    fits: str | None = None


def interpret(pixel_values: PixelValues, schema: LabelSchema) -> Interpretation:
    """What the pixel values of a label map mean under a schema."""
    meaning = meaning_of(pixel_values, schema)
    if meaning.known.all():
        return _sound(pixel_values, meaning, schema)
    unknown_values = tuple(unknown_values_of(pixel_values, meaning, schema)[:KEPT_UNKNOWN])
    total = int(pixel_values.pixels.sum())
    lost = partial(Interpretation, pixels=np.zeros(256, dtype=np.int64), unknown=total)
    if meaning.mixed:
        colors = ", ".join(str(item.code) for item in unknown_values[:3])
        hint = f"of its colours some are of classes, but not {colors}"
        return lost(by_color=True, trouble="mixed", hint=hint)
    if not meaning.by_color and pixel_values.indices is not None:
        factor = stretch_of(pixel_values.indices, len(schema))
        if factor is not None:
            hint = stretch_text(pixel_values.indices, factor)
            return lost(by_color=False, trouble="scaled", hint=hint)
        hint = _brightness_hint(pixel_values.indices, schema)
        if hint:
            return lost(by_color=False, trouble="brightness", hint=hint)
    return Interpretation(
        by_color=meaning.by_color,
        pixels=_known_pixels(pixel_values, meaning),
        unknown=int(pixel_values.pixels[~meaning.known].sum()),
        trouble="color" if meaning.by_color else "value",
        unknown_values=unknown_values,
    )


def stretch_of(values: np.ndarray, classes: int) -> float | None:
    """The factor by which different values (n,) could be stretched indices of so many classes."""
    if len(values) < 2 or values.max() < classes:
        return None
    divisor = gcd(*(int(value) for value in values))
    if divisor >= _LEAST_STRETCH and values.max() // divisor < classes:
        return divisor
    for count in range(3, min(classes, 255 // _LEAST_STRETCH) + 1):
        factor = 255 / (count - 1)
        # Rounded up or down: less than one gray value off.
        if (np.abs(values - (values / factor).round() * factor) < 1).all():
            return factor
    return None


def stretch_text(values: np.ndarray, factor: float) -> str:
    """What `stretch_of` found, for people."""
    shown = ", ".join(str(value) for value in values)
    indices = ", ".join(f"{value / factor:.0f}" for value in values)
    return f"{shown} look like {indices} times {factor:g}"


def fitting_schema(colors: np.ndarray) -> LabelSchema | None:
    """The smallest built-in schema to which all colours uint8 (n, 3) snap, two classes at least."""
    if len(colors) == 0:
        return None
    pixel_values = PixelValues(pixels=np.ones(len(colors), dtype=np.int64), colors=colors)
    for schema in _built_ins():
        meaning = meaning_of(pixel_values, schema)
        if meaning.known.all() and len(np.unique(meaning.classes)) > 1:
            return schema
    return None


def _sound(pixel_values: PixelValues, meaning: Meaning, schema: LabelSchema) -> Interpretation:
    pixels = _known_pixels(pixel_values, meaning)
    own = schema.file_palette[meaning.classes]
    if meaning.by_color or pixel_values.colors is None:
        return Interpretation(by_color=meaning.by_color, pixels=pixels)
    if np.array_equal(pixel_values.colors, own):
        return Interpretation(by_color=None, pixels=pixels)
    if pixel_values.all_gray:
        return Interpretation(by_color=False, pixels=pixels)
    names = (f"#{bytes(color).hex()}" for color in pixel_values.colors)
    palette = tuple(zip((int(index) for index in meaning.classes), names, strict=True))
    fits = fitting_schema(pixel_values.colors)
    return Interpretation(
        by_color=False, pixels=pixels, palette=palette, fits=None if fits is None else fits.name
    )


def _known_pixels(pixel_values: PixelValues, meaning: Meaning) -> np.ndarray:
    known = meaning.known
    weights = pixel_values.pixels[known]
    return np.bincount(meaning.classes[known], weights=weights, minlength=256).astype(np.int64)


def _brightness_hint(values: np.ndarray, schema: LabelSchema) -> str:
    """How different values (n,) could be the schema's colours turned to gray; or ""."""
    gray = np.asarray(Image.fromarray(schema.palette[None]).convert("L"))[0].astype(int)
    distances = np.abs(values.astype(int)[:, None] - gray[None])
    if len(values) < 2 or distances.min(axis=1).max() > 1:
        return ""
    return ", ".join(
        f"{value} is as bright as {schema.classes[index].name}"
        for value, index in zip(values, distances.argmin(axis=1), strict=True)
    )


@cache
def _built_ins() -> tuple[LabelSchema, ...]:
    return tuple(sorted((load_schema(name) for name in built_in_schemas()), key=len))
