import io
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from histosyn.labels.pixel_values import (
    TooManyColorsError,
    index_pixel_values,
    packed_colors,
    read_pixel_values,
    unpacked_colors,
)

SHAPES = st.tuples(st.integers(1, 12), st.integers(1, 12))


def encoded(image):
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def drawn(shape, colors, seed):
    """An image in a few colours, in areas and single pixels."""
    random = np.random.default_rng(seed)
    palette = random.integers(0, 256, (colors, 3), dtype=np.uint8)
    return palette[np.sort(random.integers(0, colors, shape), axis=random.integers(0, 2))]


@given(SHAPES, st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_colours_are_counted_and_put_back(shape, colors, seed):
    pixels = drawn(shape, colors, seed)
    pixel_values, value_of_pixel = read_pixel_values(encoded(Image.fromarray(pixels)), "x")
    assert pixel_values.indices is None
    assert np.array_equal(pixel_values.colors[value_of_pixel], pixels)
    assert np.array_equal(np.bincount(value_of_pixel.ravel()), pixel_values.pixels)
    assert len(np.unique(pixel_values.colors, axis=0)) == len(pixel_values.colors)


@given(SHAPES, st.integers(0, 2**32 - 1))
def test_values_are_counted_and_put_back(shape, seed):
    values = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    pixel_values, value_of_pixel = index_pixel_values(values)
    assert pixel_values.colors is None
    assert np.array_equal(pixel_values.indices[value_of_pixel], values)
    assert np.array_equal(np.bincount(value_of_pixel.ravel()), pixel_values.pixels)


@pytest.mark.parametrize("entries", [3, 256])
def test_a_palette_file_has_values_and_their_colours(entries):
    values = np.array([[0, 2, 2]], dtype=np.uint8)
    image = Image.fromarray(values)
    image.putpalette([10, 20, 30, 1, 1, 1, 7, 8, 9] + [0, 0, 0] * (entries - 3))
    pixel_values, value_of_pixel = read_pixel_values(encoded(image), "x")
    assert pixel_values.indices.tolist() == [0, 2]
    assert pixel_values.colors.tolist() == [[10, 20, 30], [7, 8, 9]]
    assert pixel_values.pixels.tolist() == [1, 2]
    assert value_of_pixel.tolist() == [[0, 1, 1]]


@given(st.lists(st.tuples(*[st.integers(0, 255)] * 3), min_size=1))
def test_a_colour_is_one_integer_and_back(colors):
    array = np.array(colors, dtype=np.uint8)
    assert np.array_equal(unpacked_colors(packed_colors(array)), array)
    assert packed_colors(array)[0] == int(bytes(array[0]).hex(), 16)


def noise(side):
    pixels = np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)
    return encoded(Image.fromarray(pixels))


def test_more_colours_than_a_drawing_has_are_refused():
    with pytest.raises(TooManyColorsError, match=r"x has \d{2,3},\d{3} different colours"):
        read_pixel_values(noise(320), "x")


def test_as_many_runs_of_few_colours_are_a_drawing():
    pixels = np.random.default_rng(0).integers(0, 2, (320, 320, 1), dtype=np.uint8).repeat(3, 2)
    pixel_values, _ = read_pixel_values(encoded(Image.fromarray(pixels)), "x")
    assert len(pixel_values.pixels) == 2


def test_a_bomb_of_colours_costs_little_memory():
    """A million colours times 100 classes would be gigabytes."""
    code = """
import resource, sys
from histosyn.labels.label_map import LabelClass, LabelSchema, read_label_map
classes = tuple(LabelClass(name=f"c{i}", color=f"#{i:02x}0000") for i in range(100))
schema = LabelSchema(name="x", classes=classes)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for data in (sys.argv[1], sys.argv[2]):
    try:
        read_label_map(data, schema)
    except Exception as error:
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        print(type(error).__name__, grown >> 10)
"""
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{side}.png" for side in (1024, 255)]
        for path in paths:
            path.write_bytes(noise(int(path.stem)))
        done = subprocess.run(
            [sys.executable, "-c", code, *map(str, paths)],
            capture_output=True, text=True, check=True, cwd=Path(__file__).parents[3],
        )  # fmt: skip
    outcomes = [line.split() for line in done.stdout.splitlines()]
    assert [outcome for outcome, _ in outcomes] == ["TooManyColorsError", "LabelError"]
    assert max(int(grown) for _, grown in outcomes) < 400
