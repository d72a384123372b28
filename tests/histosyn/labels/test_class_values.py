"""What values of index files stand for; files that histosyn wrote hold indices all the same."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from histosyn.labels.class_values import values_text
from histosyn.labels.label_map import LabelSchema, label_png_bytes, parse_schema, read_label_map
from hpc.errors import LabelError

MASK = """name = "mask"
[[classes]]
name = "background"
color = "#ffffff"
[[classes]]
name = "gland"
color = "#c80000"
value = 255
"""
FROM_ONE = """name = "from-one"
ignore = 0
[[classes]]
name = "tumor"
color = "#c80000"
[[classes]]
name = "stroma"
color = "#96c896"
"""
REVERSED = """name = "reversed"
[[classes]]
name = "glass"
color = "#ffffff"
value = [1, 2]
[[classes]]
name = "tissue"
color = "#c80000"
value = 0
"""


def schema_of(text: str) -> LabelSchema:
    return parse_schema(text, "s.toml")


def png(values: list[int], palette: list[str] | None = None) -> bytes:
    image = Image.fromarray(np.array([values], dtype=np.uint8))
    if palette is not None:
        image.putpalette(bytes.fromhex("".join(color[1:] for color in palette)))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def read(data: bytes, text: str) -> list[int]:
    return read_label_map(data, schema_of(text), name="a.png")[0].tolist()


def test_a_mask_of_0_and_255() -> None:
    assert read(png([0, 255, 255, 0]), MASK) == [0, 1, 1, 0]


def test_where_0_is_ignored() -> None:
    assert read(png([0, 1, 2]), FROM_ONE) == [255, 0, 1]


def test_several_values_of_a_class_and_values_that_are_indices_of_others() -> None:
    assert read(png([0, 1, 2]), REVERSED) == [1, 0, 0]


@pytest.mark.parametrize("text", [MASK, FROM_ONE, REVERSED])
def test_label_maps_that_histosyn_wrote_hold_indices(text: str) -> None:
    schema = schema_of(text)
    labels = [0, 1] + ([255] if schema.ignore else [])
    data = label_png_bytes(np.array([labels], dtype=np.uint8), schema)
    assert np.asarray(Image.open(io.BytesIO(data)))[0].tolist() == labels
    assert read(data, text) == labels


@pytest.mark.parametrize("text", [MASK, FROM_ONE, REVERSED])
def test_one_class_alone_that_histosyn_wrote_is_that_class(text: str) -> None:
    for index in (0, 1):
        data = label_png_bytes(np.full((1, 2), index, dtype=np.uint8), schema_of(text))
        assert read(data, text) == [index, index]


def test_a_palette_in_other_colours_holds_values() -> None:
    assert read(png([0, 1, 2], ["#000000", "#0000ff", "#00ff00"]), FROM_ONE) == [255, 0, 1]


def test_a_palette_of_class_colours_where_the_ignored_value_has_one_of_its_own() -> None:
    assert read(png([0, 1, 2], ["#000000", "#c80000", "#96c896"]), FROM_ONE) == [255, 0, 1]


def test_a_palette_whose_colours_contradict_its_values_is_refused() -> None:
    with pytest.raises(LabelError, match=r"colour #000000 \(1 pixels\).*colours or indices"):
        read(png([0, 1, 2], ["#000000", "#96c896", "#c80000"]), FROM_ONE)


@pytest.mark.parametrize(
    "values, text, told",
    [
        ([0, 1, 1], MASK, r"value 1 \(2 pixels\) is outside .* values in files are 0 and 255\."),
        ([0, 255], FROM_ONE, r"value 255 .* If 255 stands for a class, say value = 255 in it\."),
        ([3], FROM_ONE, r"value 3 .* values in files are 0 to 2\."),
    ],
)
def test_other_values_are_named_with_those_that_are_known(
    values: list[int], text: str, told: str
) -> None:
    with pytest.raises(LabelError, match=told):
        read(png(values), text)


def test_values_are_told_as_runs() -> None:
    known = np.zeros(256, dtype=bool)
    known[[0, 1, 2, 7, 255]] = True
    assert values_text(known) == "0 to 2, 7 and 255"
    known[20::2] = True
    assert values_text(known).startswith("0 to 2, 7, 20, 22, ")
    assert values_text(known).endswith(" and others")


BLACK = """name = "black"
[[classes]]
name = "background"
color = "#000000"
[[classes]]
name = "gland"
color = "#c80000"
[[classes]]
name = "stroma"
color = "#96c896"
"""
GRAYS = ["#" + f"{value:02x}" * 3 for value in range(256)]


def gray_colors(values: list[int]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.array([values], dtype=np.uint8)).convert("RGB").save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize("of", [gray_colors, lambda values: png(values, GRAYS)])
def test_indices_and_masks_that_a_program_wrote_as_grays(of) -> None:
    """(1, 1, 1) is near the black of the first class, and means the second one."""
    assert read(of([0, 1, 2]), BLACK) == [0, 1, 2]
    assert read(of([1]), BLACK) == [1]
    assert read(of([0, 255]), MASK) == [0, 1]
    assert read(of([255]), MASK) == [1]
    with pytest.raises(LabelError, match="say value = 255"):
        read(of([0, 255]), FROM_ONE)


def test_white_and_black_among_colours_are_colours() -> None:
    plain = MASK.replace("value = 255", "")
    assert read(gray_colors([255]), plain) == [0]
    assert read(gray_colors([250]), plain) == [0]
    assert read(gray_colors([255]), plain.replace("[[", "ignore = 255\n[[", 1)) == [0]
