import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from histosyn.labels.schema import (
    LabelClass,
    LabelSchema,
    built_in_schemas,
    load_schema,
    parse_schema,
    schema_from_dict,
    schema_toml,
)
from hpc.errors import SchemaError

TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
COLOR = st.integers(0, 0xFFFFFF).map(lambda value: f"#{value:06x}")


@st.composite
def schemas(draw):
    count = draw(st.integers(2, 5))
    names = draw(st.lists(TEXT, min_size=count, max_size=count, unique=True))
    colors = draw(st.lists(COLOR, min_size=count, max_size=count, unique=True))
    values = draw(
        st.just([()] * count)
        | st.permutations(range(256)).map(lambda order: [tuple(order[i:16:5]) for i in range(5)])
    )
    classes = tuple(
        LabelClass(
            name=name, color=color, description=draw(TEXT), value=value, objects=draw(st.booleans())
        )
        for name, color, value in zip(names, colors, values, strict=False)
    )
    ignore = draw(st.none() | st.integers(count, 255))
    if ignore is not None and any(ignore in item.value for item in classes):
        ignore = None
    return LabelSchema(name=draw(TEXT), classes=classes, ignore=ignore)


@given(schemas())
def test_a_written_schema_reads_back_the_same(schema):
    again = parse_schema(schema_toml(schema), "x")
    assert again == schema
    assert again.object_classes == schema.object_classes
    assert schema_from_dict(schema.as_dict(), "x").object_classes == schema.object_classes


def test_nuclei_and_glands_of_built_in_schemas_are_objects():
    schema = load_schema("prostate-3")
    assert [schema.classes[i].name for i in schema.object_classes] == ["epithelium", "nuclei"]


def test_what_says_nothing_of_objects_is_the_same_schema():
    """Models and shards of before are used with the schemas of today."""
    assert parse_schema(TWO, "x") == parse_schema(TWO + "objects = true\n", "x")


def test_objects_are_said_by_true_or_false():
    with pytest.raises(SchemaError, match="objects = 'yes' must be true or false"):
        parse_schema(TWO + "objects = 'yes'\n", "x")


@pytest.mark.parametrize("name", built_in_schemas())
def test_a_built_in_schema_reads_back_the_same(name):
    assert parse_schema(schema_toml(load_schema(name)), "x") == load_schema(name)


def test_the_palette_of_files_shows_ignored_pixels_in_gray():
    classes = tuple(LabelClass(name=color, color=color) for color in ("#000001", "#ff0000"))
    palette = LabelSchema(name="x", classes=classes, ignore=9).file_palette
    assert palette[:2].tolist() == [[0, 0, 1], [255, 0, 0]]
    assert palette[9].tolist() == [128, 128, 128]
    assert not palette[2:9].any()


TWO = "[[classes]]\nname='a'\ncolor='#000000'\n[[classes]]\nname='b'\ncolor='#ffffff'\n"


@pytest.mark.parametrize("written", ["0", "[0, 255]", "[0]", "7"])
def test_ignored_values_read_back_the_same(written):
    schema = parse_schema(f"ignore = {written}\n{TWO}", "x")
    assert parse_schema(schema_toml(schema), "x") == schema
    assert schema_from_dict(schema.as_dict(), "x") == schema


def test_where_0_is_ignored_classes_begin_at_1():
    schema = parse_schema(f"ignore = 0\n{TWO}", "x")
    assert schema.ignore == 255
    assert np.flatnonzero(schema.known_values).tolist() == [0, 1, 2]
    assert schema.class_of_value[:3].tolist() == [255, 0, 1]


def test_an_index_for_ignored_pixels_is_also_their_value_in_files():
    schema = parse_schema(f"ignore = 7\n{TWO}", "x")
    assert schema.ignore == 7
    assert schema.values_are_indices
    assert np.flatnonzero(schema.known_values).tolist() == [0, 1, 7]
    assert schema.class_of_value[7] == 7


def test_classes_without_a_value_have_their_index():
    schema = parse_schema(f"{TWO}value = [3, 255]\n", "x")
    assert np.flatnonzero(schema.known_values).tolist() == [0, 3, 255]
    assert schema.class_of_value[[0, 3, 255]].tolist() == [0, 1, 1]
