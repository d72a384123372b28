"""Index files in which a value, often 0, means that there is no label."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from histosyn.labels.class_values import LARGEST_VALUE
from histosyn.labels.pixel_values import PixelValues
from histosyn.labels.schema import LabelSchema


def ignoring(schema: LabelSchema, value: int) -> LabelSchema:
    """The schema that takes `value` in index files for no label, besides what it ignores already.

    Where 0 is ignored, classes without a value of their own begin at 1. Raises SchemaError if the
    value is that of a class.
    """
    before = schema.ignore_values or (() if schema.ignore is None else (schema.ignore,))
    if value in before:
        return schema
    ignore = LARGEST_VALUE if schema.ignore is None else schema.ignore
    return replace(schema, ignore=ignore, ignore_values=(value, *before))


def without_value(pixel_values: PixelValues, value: int) -> PixelValues | None:
    """Pixel values as they would be without those that mean no label; None if nothing is left.

    With 0 out of the way, 1 is the first class. Files by colour stay as they are.
    """
    if pixel_values.indices is None or pixel_values.channels:
        return pixel_values
    kept = pixel_values.indices != value
    if not kept.any():
        return None
    indices = pixel_values.indices[kept] - np.uint8(value == 0)
    # Grays that stand for values are no colours.
    colors = None if pixel_values.colors is None or pixel_values.all_gray else (
        pixel_values.colors[kept]
    )  # fmt: skip
    return replace(pixel_values, pixels=pixel_values.pixels[kept], indices=indices, colors=colors)
