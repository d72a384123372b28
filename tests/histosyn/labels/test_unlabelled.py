from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from histosyn.labels.label_map import LabelClass, LabelSchema, read_label_map
from histosyn.labels.pixel_values import PixelValues, index_pixel_values
from histosyn.labels.unlabelled import ignoring, without_value
from hpc.errors import SchemaError

CLASSES = tuple(LabelClass(name=f"c{i}", color=f"#00{i}000") for i in range(3))


def read(values: list[int], schema: LabelSchema) -> list[int]:
    buffer = io.BytesIO()
    Image.fromarray(np.array([values], dtype=np.uint8)).save(buffer, "PNG")
    return read_label_map(buffer.getvalue(), schema, name="a.png")[0].tolist()


def test_zero_is_no_label_and_one_the_first_class() -> None:
    schema = ignoring(LabelSchema(name="s", classes=CLASSES), 0)

    assert read([0, 1, 2, 3], schema) == [255, 0, 1, 2]


def test_what_was_ignored_before_still_is() -> None:
    schema = ignoring(LabelSchema(name="s", classes=CLASSES, ignore=200), 0)

    assert read([0, 200, 1], schema) == [200, 200, 0]
    assert ignoring(schema, 0) == schema
    assert ignoring(schema, 200) == schema


def test_another_value() -> None:
    schema = ignoring(LabelSchema(name="s", classes=CLASSES), 9)

    assert read([9, 0, 2], schema) == [255, 0, 2]


def test_the_value_of_a_class() -> None:
    named = LabelClass(name="named", color="#123456", value=(0,))

    others = (LabelClass(name="other", color="#654321", value=(1,)), named)
    with pytest.raises(SchemaError, match="value 0 stands for class named and for ignored"):
        ignoring(LabelSchema(name="s", classes=others), 0)


def test_pixel_values_without_it() -> None:
    values, _ = index_pixel_values(np.array([[0, 0, 1, 3]], dtype=np.uint8))

    without = without_value(values, 0)
    assert (without.indices.tolist(), without.pixels.tolist()) == ([0, 2], [1, 1])
    assert without_value(values, 3).indices.tolist() == [0, 1]
    assert without_value(without_value(values, 3), 9).indices.tolist() == [0, 1]
    only = PixelValues(pixels=np.array([4]), indices=np.array([0], np.uint8))
    assert without_value(only, 0) is None


def test_files_by_colour_stay_as_they_are() -> None:
    values = PixelValues(pixels=np.array([4]), colors=np.array([[1, 2, 3]], np.uint8))

    assert without_value(values, 0) is values
