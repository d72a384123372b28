"""Outlines of label maps: drawn again they are the label map."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tissue import SCHEMA

from histosyn.annotations.geojson import read_drawing
from histosyn.annotations.outlines import collection_text, feature_text, regions_of
from histosyn.annotations.painting import Painting
from histosyn.annotations.shapes import Grid
from histosyn.labels.schema import load_schema

pytest.importorskip("shapely")


def written(path, labels, schema=SCHEMA):
    features = (feature_text(region, schema) for region in regions_of(labels, len(schema)))
    path.write_text("".join(collection_text(features)), encoding="utf-8")
    return path


def drawn_again(path, size, schema=SCHEMA):
    grid = Grid(left=0, top=0, step=1, size=size)
    return Painting(read_drawing(path), schema).paint(grid, blank=255).labels


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 1000), st.integers(1, 24), st.integers(1, 24))
def test_what_is_outlined_and_drawn_again_is_the_same(tmp_path_factory, seed, height, width):
    labels = np.random.default_rng(seed).integers(0, 4, (height, width)).astype(np.uint8)
    labels[labels == 3] = 255
    path = written(tmp_path_factory.mktemp("a") / "a.geojson", labels)
    np.testing.assert_array_equal(drawn_again(path, labels.shape), labels)


def test_a_ring_has_a_hole_and_corners_only_where_it_turns():
    labels = np.zeros((9, 9), np.uint8)
    labels[2:7, 2:7] = 1
    labels[4, 4] = 0
    ring = next(region for region in regions_of(labels, 4) if region.label == 1)
    outer, hole = ring.rings
    assert set(outer) == {(2, 2), (7, 2), (7, 7), (2, 7)}
    assert set(hole) == {(4, 4), (5, 4), (5, 5), (4, 5)}
    assert outer[0] == outer[-1]
    assert len(outer) == 5


def test_regions_that_touch_at_a_corner_only_are_two():
    labels = np.array([[0, 1], [1, 0]], np.uint8)
    assert [region.label for region in regions_of(labels, 2)] == [0, 0, 1, 1]


def test_qupath_gets_names_and_colours_of_the_schema_and_the_place(tmp_path):
    schema = load_schema("colon-10")
    region = next(regions_of(np.full((3, 2), 4, np.uint8), len(schema)))
    feature = json.loads(feature_text(region, schema, left=100, top=7))
    assert feature["properties"] == {
        "objectType": "annotation",
        "classification": {"name": "reactive stroma", "color": [0x84, 0x2E, 0x1E]},
    }
    assert [102, 10] in feature["geometry"]["coordinates"][0]


def test_a_map_of_nothing_is_a_collection_of_nothing(tmp_path):
    path = written(tmp_path / "a.geojson", np.full((4, 4), 255, np.uint8))
    assert json.loads(path.read_text()) == {"type": "FeatureCollection", "features": []}


def test_small_regions_may_be_left_out():
    labels = np.zeros((20, 20), np.uint8)
    labels[2:4, 2:4] = 1
    labels[8:15, 8:15] = 1
    found = [region for region in regions_of(labels, 2, least=5) if region.label == 1]
    assert [(8, 8) in region.rings[0] for region in found] == [True]
