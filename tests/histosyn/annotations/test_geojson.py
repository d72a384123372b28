import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("shapely", reason="shapely, of the extra `slides`, is not installed")

from histosyn.annotations.geojson import read_drawing
from histosyn.annotations.grid import Grid
from histosyn.annotations.painting import Painting
from histosyn.labels.schema import LabelClass, LabelSchema
from hpc.errors import DatasetError, LabelError

SQUARE = [[[0, 0], [10, 0], [10, 10], [0, 10], [0, 0]]]
SCHEMA = LabelSchema(
    name="breast",
    classes=(
        LabelClass(name="Stroma", color="#00ff00"),
        LabelClass(name="Tumor", color="#c80000"),
        LabelClass(name="Tumor: Positive", color="#fa3e3e"),
    ),
    ignore=255,
)


def feature(name="Tumor", coordinates=SQUARE, kind="Polygon", **properties):
    said = {"objectType": "annotation", "classification": {"name": name, "color": [200, 0, 0]}}
    return {
        "type": "Feature",
        "id": "5f8c",
        "geometry": {"type": kind, "coordinates": coordinates},
        "properties": said | properties,
    }


def moved(by, size=10):
    return [[[by, by], [by + size, by], [by + size, by + size], [by, by + size], [by, by]]]


def written(path, *features, **more):
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features} | more))
    return path


def test_as_qupath_writes_it(tmp_path):
    holed = [SQUARE[0], [[2, 2], [4, 2], [4, 4], [2, 4], [2, 2]]]
    drawing = read_drawing(written(
        tmp_path / "a.geojson",
        feature("Tumor", holed),
        feature("Stroma", [moved(20), moved(40)], "MultiPolygon"),
        feature(classification=None),
    ))  # fmt: skip

    first, second, third = drawing.annotations
    assert (first.name, first.color, first.shape.area) == ("Tumor", "#c80000", 96)
    assert (second.number, second.shape.area) == (2, 200)
    assert (third.name, str(third)) == (None, "feature 3 (not classified)")
    assert not drawing.repaired
    assert not drawing.left_aside


@pytest.mark.parametrize(
    ("classification", "name", "color"),
    [
        ({"name": "Tumor", "color": [200, 0, 1]}, "Tumor", "#c80001"),
        ({"name": "Tumor", "colorRGB": -3670016}, "Tumor", "#c80000"),
        ({"names": ["Tumor", "Positive"], "color": [1, 2, 3]}, "Tumor: Positive", "#010203"),
        ({"name": "Tumor: Positive"}, "Tumor: Positive", None),
        ("Tumor", "Tumor", None),
        ({"name": "", "color": [1, 2, 3]}, None, "#010203"),
        ({"name": 7, "color": [1, 2, 300]}, None, None),
        (None, None, None),
    ],
)
def test_all_forms_of_a_class(tmp_path, classification, name, color):
    path = written(tmp_path / "a.geojson", feature(classification=classification))

    (annotation,) = read_drawing(path).annotations
    assert (annotation.name, annotation.color) == (name, color)


@pytest.mark.parametrize("form", [lambda item: [item, item], lambda item: item])
def test_lists_and_single_features(tmp_path, form):
    path = tmp_path / "a.geojson"
    path.write_text(json.dumps(form(feature())))

    assert {item.name for item in read_drawing(path).annotations} == {"Tumor"}


def test_a_byte_order_mark(tmp_path):
    path = tmp_path / "a.geojson"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(feature("Drüse")).encode())

    assert read_drawing(path).annotations[0].name == "Drüse"


def test_what_covers_no_tissue_is_counted(tmp_path):
    drawing = read_drawing(written(
        tmp_path / "a.geojson",
        feature(coordinates=[1, 2], kind="Point"),
        feature(coordinates=[[1, 2], [3, 4]], kind="LineString"),
        feature(objectType="tmaCore"),
        feature(coordinates=[[[1, 1], [2, 2], [1, 1]]]),
        feature() | {"geometry": None},
    ))  # fmt: skip

    assert not drawing.annotations
    assert drawing.left_aside == {
        "of type Point": 1, "of type LineString": 1, "of type tmaCore": 1, "without area": 2,
    }  # fmt: skip


def test_an_outline_that_crosses_itself_is_told(tmp_path):
    bow = [[[0, 0], [10, 10], [10, 0], [0, 10], [0, 0]]]
    drawing = read_drawing(written(tmp_path / "a.geojson", feature(), feature(coordinates=bow)))

    assert drawing.repaired == ("feature 2 (Tumor): Self-intersection at 5, 5",)
    assert drawing.annotations[1].shape.area == 50


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_a_coordinate_that_is_no_number_is_named(tmp_path, value):
    path = written(tmp_path / "a.geojson", feature(), feature("Stroma", [[[0, 0], [7, 12345]]]))
    path.write_text(path.read_text().replace("12345", value))

    with pytest.raises(DatasetError, match=r"a.geojson, feature 2 \(Stroma\) has a corner, numb"):
        read_drawing(path)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (json.dumps([feature("Drüse")], ensure_ascii=False).encode("latin-1"), "is not UTF-8 text"),
        (json.dumps([feature()]).encode("utf-16"), "is not UTF-8 text"),
        (b"", "is no JSON"),
        (b'{"type": "FeatureCollection", "features": [', "is no JSON"),
        (b"<xml/>", "is no JSON"),
        (b"7", "holds no features"),
        (b'{"type": "Polygon"}', "holds no features"),
        (b"[7]", "feature 1 is no GeoJSON feature"),
        (b'[{"properties": 3}]', "feature 1 is no GeoJSON feature"),
        (b"[" * 5000, "is no JSON"),
    ],
)  # fmt: skip
def test_what_is_no_geojson(tmp_path, data, said):
    path = tmp_path / "a.geojson"
    path.write_bytes(data)

    with pytest.raises(DatasetError, match=said):
        read_drawing(path)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=4) | st.integers(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=12,
)


@given(coordinates=JSON, kind=st.sampled_from(["Polygon", "MultiPolygon"]), said=JSON)
@settings(max_examples=150, deadline=None)
def test_any_coordinates_are_read_or_refused(tmp_path_factory, coordinates, kind, said):
    path = tmp_path_factory.getbasetemp() / "any.geojson"
    item = feature(coordinates=coordinates, kind=kind, classification=said, color=said)
    path.write_text(json.dumps([item]))

    try:
        drawing = read_drawing(path)
    except DatasetError as error:
        assert "feature 1" in str(error) or "no JSON" in str(error)
    else:
        assert len(drawing.annotations) + drawing.left_aside.total() == 1


def labels_of(tmp_path, *features, blank=255, **options):
    drawing = read_drawing(written(tmp_path / "a.geojson", *features))
    grid = Grid(left=0, top=0, step=1, size=(30, 30))
    return Painting(drawing, SCHEMA, **options).paint(grid, blank)


def test_later_over_earlier(tmp_path):
    painted = labels_of(tmp_path, feature("Tumor"), feature("Stroma", moved(5)))

    expected = np.full((30, 30), 255)
    expected[:10, :10] = 1
    expected[5:15, 5:15] = 0
    assert np.array_equal(painted.labels, expected)
    assert np.array_equal(painted.covered, expected < 255)


def test_in_the_order_of_the_schema(tmp_path):
    features = (feature("Tumor"), feature("Ignore*", moved(8, 4)), feature("Stroma", moved(5)))
    painted = labels_of(tmp_path, *features, blank=2, overlaps="schema")

    expected = np.full((30, 30), 2)
    expected[5:15, 5:15] = 0
    expected[:10, :10] = 1
    expected[8:12, 8:12] = 255
    assert np.array_equal(painted.labels, expected)


def test_derived_classes_and_other_letters(tmp_path):
    names = ("Tumor: Positive", "Tumor: Negative", "STROMA", "tumor: positive", "stroma: a: b")
    for name, expected in zip(names, (2, 1, 0, 2, 0), strict=True):
        assert labels_of(tmp_path, feature(name)).labels[0, 0] == expected, name


def test_frames_and_what_has_no_class_are_not_painted(tmp_path):
    painted = labels_of(tmp_path, feature(classification=None), feature("Region*"))

    assert not painted.covered.any()


def test_classes_that_the_schema_does_not_have(tmp_path):
    features = (feature("Tumour"), feature("Tumour"), feature("Fat", moved(3)), feature())

    with pytest.raises(LabelError, match=r"a.geojson has classes.*'Tumour' \(2 ann.*'Fat' \(1 "):
        labels_of(tmp_path, *features)
