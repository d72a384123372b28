import pytest
from hypothesis import given
from hypothesis import strategies as st

from histosyn.schema import (
    LabelClass,
    LabelSchema,
    built_in_schemas,
    load_schema,
    parse_schema,
    schema_toml,
)

TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
COLOR = st.integers(0, 0xFFFFFF).map(lambda value: f"#{value:06x}")


@st.composite
def schemas(draw):
    count = draw(st.integers(2, 5))
    names = draw(st.lists(TEXT, min_size=count, max_size=count, unique=True))
    colors = draw(st.lists(COLOR, min_size=count, max_size=count, unique=True))
    classes = tuple(
        LabelClass(name=name, color=color, description=draw(TEXT))
        for name, color in zip(names, colors, strict=True)
    )
    ignore = draw(st.none() | st.integers(count, 255))
    return LabelSchema(name=draw(TEXT), classes=classes, ignore=ignore)


@given(schemas())
def test_a_written_schema_reads_back_the_same(schema):
    assert parse_schema(schema_toml(schema), "x") == schema


@pytest.mark.parametrize("name", built_in_schemas())
def test_a_built_in_schema_reads_back_the_same(name):
    assert parse_schema(schema_toml(load_schema(name)), "x") == load_schema(name)


def test_the_palette_of_files_shows_ignored_pixels_in_gray():
    classes = tuple(LabelClass(name=color, color=color) for color in ("#000001", "#ff0000"))
    palette = LabelSchema(name="x", classes=classes, ignore=9).file_palette
    assert palette[:2].tolist() == [[0, 0, 1], [255, 0, 0]]
    assert palette[9].tolist() == [128, 128, 128]
    assert not palette[2:9].any()
