from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from tissue import SCHEMA, SHARED

from histosyn.labels.label_map import (
    COLOR_TOLERANCE,
    LabelSchema,
    built_in_schemas,
    label_png_bytes,
    load_schema,
    parse_schema,
    read_label_map,
    schema_from_dict,
)
from hpc.errors import DatasetError, InputError, LabelError, SchemaError

COLON = load_schema("colon-10")


def png(pixels: np.ndarray, mode: str | None = None) -> bytes:
    buffer = io.BytesIO()
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(buffer, "PNG")
    return buffer.getvalue()


def labels_of(schema: LabelSchema) -> st.SearchStrategy[np.ndarray]:
    return st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(0, 2**32 - 1)).map(
        lambda x: np.random.default_rng(x[2]).integers(0, len(schema), x[:2]).astype(np.uint8)
    )


def test_built_in_schemas_are_the_originals() -> None:
    assert built_in_schemas() == ["colon-10", "prostate-2", "prostate-3"]
    names = [item.name for item in load_schema("prostate-3").classes]
    assert names == ["background", "non-epithelium", "epithelium", "nuclei"]
    assert load_schema("prostate-3").classes[3].color == "#6c0307"
    assert (len(COLON), COLON.classes[7].name, COLON.classes[10].name) == (
        11, "loose stroma", "background",
    )  # fmt: skip


@given(labels_of(COLON))
def test_written_maps_read_back_the_same(labels: np.ndarray) -> None:
    data = label_png_bytes(labels, COLON)
    assert Image.open(io.BytesIO(data)).mode == "P"
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(data))), labels)
    assert np.array_equal(read_label_map(data, COLON, name="x"), labels)


@given(labels_of(COLON), st.integers(0, 2**32 - 1))
def test_colours_snap_within_the_tolerance(labels: np.ndarray, seed: int) -> None:
    """Noise small enough that a colour stays twice as near to its class as to any other."""
    noise = np.random.default_rng(seed).integers(-13, 14, (*labels.shape, 3))
    colors = np.clip(COLON.palette[labels].astype(int) + noise, 0, 255).astype(np.uint8)
    assert np.array_equal(read_label_map(png(colors), COLON, name="x"), labels)


def test_index_files_are_never_taken_for_colours() -> None:
    labels = np.array([[0, 1], [2, 3]], dtype=np.uint8)
    assert np.array_equal(read_label_map(png(labels), SCHEMA, name="x"), labels)


def test_palette_file_in_other_colours_holds_indices() -> None:
    """What convert("L") would turn into brightness."""
    image = Image.fromarray(np.array([[0, 1, 2, 3]], dtype=np.uint8))
    image.putpalette([10, 20, 30, 200, 100, 0, 7, 7, 7, 90, 90, 90])
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    assert read_label_map(buffer.getvalue(), SCHEMA, name="x").tolist() == [[0, 1, 2, 3]]


def palette_png(indices: list[list[int]], colors: np.ndarray) -> bytes:
    image = Image.fromarray(np.array(indices, dtype=np.uint8))
    image.putpalette(np.asarray(colors, dtype=np.uint8).tobytes())
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def test_one_colour_off_in_a_palette_file_of_colours_is_an_error_as_in_rgb() -> None:
    """Classes 3 2 1 0 in the palette's order; read as indices they would be 0 1 2 3."""
    colors = SCHEMA.palette[::-1].astype(int)
    colors[2] += (0, 30, 0)
    indices = [[0, 1, 2, 3], [2, 2, 0, 1]]
    match = r"a\.png: colour #54e4e9 \(3 pixels\).*nearest is non-epithelium.*off by 30"
    with pytest.raises(LabelError, match=match + ".*8-bit grayscale"):
        read_label_map(palette_png(indices, colors), SCHEMA, name="a.png")
    with pytest.raises(LabelError, match=match):
        read_label_map(png(colors[indices].astype(np.uint8)), SCHEMA, name="a.png")


def test_pixels_of_a_colour_that_two_palette_entries_share_are_counted_together() -> None:
    colors = np.array([SCHEMA.palette[1], (1, 200, 1), (1, 200, 1), (9, 9, 9), (9, 9, 9)])
    with pytest.raises(LabelError, match=r"#01c801 \(4 pixels\) \(and 1 other colours\)"):
        read_label_map(palette_png([[0, 1, 1], [2, 2, 3]], colors), SCHEMA, name="x")


def test_indices_of_a_palette_file_in_other_colours_are_checked() -> None:
    with pytest.raises(LabelError, match=r"value 4 \(2 pixels\) is outside"):
        read_label_map(palette_png([[0, 4, 4]], np.full((5, 3), 9)), SCHEMA, name="x")


@pytest.mark.parametrize("color", ["#808080", "#818181", "#123456"])
def test_ignored_pixels_come_back_whatever_colour_a_class_has(color: str) -> None:
    classes = [{"name": "a", "color": color}, {"name": "b", "color": "#ffffff"}]
    schema = schema_from_dict({"name": "s", "classes": classes, "ignore": 255}, "s")
    labels = np.array([[0, 1, 255]], dtype=np.uint8)
    data = label_png_bytes(labels, schema)
    assert read_label_map(data, schema, name="x").tolist() == labels.tolist()


@pytest.mark.parametrize(
    "data",
    [
        png(np.zeros((2, 2), np.uint8)),
        label_png_bytes(np.zeros((2, 2), np.uint8), SCHEMA),
        palette_png([[0, 1]], np.full((2, 3), 9)),
        png(SCHEMA.palette[[[0, 1]]]),
    ],
)
def test_label_maps_may_be_written_to(data: bytes) -> None:
    assert read_label_map(data, SCHEMA, name="x").flags.writeable


def test_palette_file_in_the_schemas_colours_holds_colours() -> None:
    """A colour map saved with a palette in the order in which colours first occurred."""
    colors = SCHEMA.palette[[[3, 2, 0, 1]]]
    image = Image.fromarray(colors).convert("P", palette=Image.Palette.ADAPTIVE)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    assert read_label_map(buffer.getvalue(), SCHEMA, name="x").tolist() == [[3, 2, 0, 1]]


def test_unknown_colour_names_file_colour_count_and_nearest_class() -> None:
    colors = np.broadcast_to(SCHEMA.palette[2], (4, 4, 3)).copy()
    colors[0, :3] = (255, 255, 120)
    with pytest.raises(LabelError, match=r"a\.png: colour #ffff78 \(3 pixels\).*#fcf731"):
        read_label_map(png(colors), SCHEMA, name="a.png")


def test_colour_halfway_between_two_classes_is_refused() -> None:
    schema = parse_schema(
        '[[classes]]\nname="a"\ncolor="#000000"\n[[classes]]\nname="b"\ncolor="#141414"\n', "s"
    )
    halfway = np.full((1, 1, 3), 10, np.uint8)
    assert COLOR_TOLERANCE > 10
    with pytest.raises(LabelError, match="#0a0a0a"):
        read_label_map(png(halfway), schema, name="x")


def test_index_outside_names_file_and_value() -> None:
    labels = np.zeros((3, 3), dtype=np.uint8)
    labels[1, 1] = 9
    with pytest.raises(LabelError, match=r"a\.png: value 9 \(1 pixels\) is outside.*0 to 3"):
        read_label_map(png(labels), SCHEMA, name="a.png")


def test_a_jpeg_is_no_label_map() -> None:
    buffer = io.BytesIO()
    Image.new("L", (8, 8), 2).save(buffer, "JPEG")
    with pytest.raises(LabelError, match=r"a\.jpg is a JPEG"):
        read_label_map(buffer.getvalue(), SCHEMA, name="a.jpg")


def test_ignored_index_is_allowed_where_declared() -> None:
    labels = np.array([[0, 255]], dtype=np.uint8)
    data = SCHEMA.as_dict() | {"ignore": 255}
    assert read_label_map(png(labels), schema_from_dict(data, "s"), name="x").tolist() == [[0, 255]]


@pytest.mark.parametrize(
    "image, match",
    [
        (Image.fromarray(np.zeros((2, 2), np.uint16)), "mode I;16"),
        (Image.new("RGBA", (2, 2), (255, 255, 255, 128)), "transparent"),
    ],
)
def test_other_kinds_of_files_are_refused(image: Image.Image, match: str) -> None:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    with pytest.raises(LabelError, match=match):
        read_label_map(buffer.getvalue(), SCHEMA, name="x")


def test_damaged_and_missing_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "cut.png"
    path.write_bytes(label_png_bytes(np.zeros((64, 64), np.uint8), SCHEMA)[:60])
    with pytest.raises(DatasetError, match=r"cut\.png cannot be read"):
        read_label_map(path, SCHEMA)
    with pytest.raises(DatasetError, match=r"nope\.png does not exist"):
        read_label_map(tmp_path / "nope.png", SCHEMA)


TWO_CLASSES = "[[classes]]\nname='a'\ncolor='#000000'\n[[classes]]\nname='b'\ncolor='#ffffff'\n"


@pytest.mark.parametrize(
    "text, match",
    [
        ("classes = 3", "must be a list of tables"),
        ("name = 'x'", "lacks 'classes'"),
        ("[[classes]]\nname='a'\ncolor='#000000'", "2 to 255 classes"),
        ("[[classes]]\nname='a'\ncolor='red'\n[[classes]]\nname='b'\ncolor='#000000'", "'red'"),
        ("[[classes]]\nname='a'\ncolor='#000000'\n" * 2, "Two classes have the name 'a'"),
        (
            "[[classes]]\nname='a'\ncolour='#000000'\n" * 2,
            "unknown key 'colour' .* did you mean color",
        ),
        ("nam = 1\n[[classes]]\nname='a'\ncolor='#000000'\n", "unknown key 'nam'"),
        ("x = ", "not valid TOML"),
        ("classes = [3]", "must be a table, not 3"),
        ("[[classes]]\nname='a'\ncolor=5\n" * 2, "color = 5 of a class must be text"),
        ("[[classes]]\nname=1\ncolor='#000000'\n" * 2, "name = 1 of a class must be text"),
        ("ignore='a'\n" + TWO_CLASSES, "ignore = 'a' must be a whole number in 0..255"),
        ("ignore=true\n" + TWO_CLASSES, "ignore = True must be a whole number"),
        ("ignore=[]\n" + TWO_CLASSES, r"ignore = \[\] must be a whole number"),
        ("ignore=1\n" + TWO_CLASSES, "value 1 stands for class b and for ignored pixels"),
        (TWO_CLASSES + "value=0\n", "value 0 stands for class a and for class b"),
        (TWO_CLASSES + "value=256\n", "value = 256 must be a whole number in 0..255 or a list"),
        (TWO_CLASSES + "value='1'\n", "value = '1' must be"),
        (TWO_CLASSES + "value=[7, true]\n", "must be a whole number in 0..255 or a list"),
    ],
)
def test_schema_errors_name_the_file(text: str, match: str) -> None:
    with pytest.raises(SchemaError, match=match) as error:
        parse_schema(text, "my.toml")
    assert "my.toml" in str(error.value)


def test_a_schema_that_is_no_table_is_named() -> None:
    with pytest.raises(
        SchemaError, match=r"dataset\.json: the label schema must be a table, not 5"
    ):
        schema_from_dict(5, "dataset.json")  # type: ignore[arg-type]


def test_a_schema_file_in_another_encoding_is_named(tmp_path: Path) -> None:
    path = tmp_path / "latin.toml"
    path.write_bytes("name = 'Drüse'".encode("latin-1"))
    with pytest.raises(SchemaError, match=r"latin\.toml is not UTF-8 text"):
        load_schema(path)


def test_unknown_schema_suggests_the_nearest() -> None:
    with pytest.raises(InputError, match="Did you mean prostate-3"):
        load_schema("prostate3")


@pytest.mark.skipif(not SHARED.exists(), reason="the shared example label maps are not here")
@pytest.mark.parametrize(
    "folder, schema",
    [("2-class-prostate", "prostate-2"), ("3-class-prostate", "prostate-3"),
     ("10-class-colon", "colon-10")],
)  # fmt: skip
def test_the_originals_example_maps_snap(folder: str, schema: str) -> None:
    """They are off the palette by up to 23."""
    for path in (SHARED / "data/seed_labels" / folder).glob("*.png"):
        labels = read_label_map(path, load_schema(schema))
        assert labels.shape == (512, 512)
        assert len(np.unique(labels)) >= 3
