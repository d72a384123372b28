"""Maps from nothing: in the measures of those they are like, possible, and keyed."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from new_label_maps import GLAND, KINDS, NUCLEUS, SCHEMA, STROMA, glands_map, write_maps

from histosyn.labels.label_map import label_png_bytes, read_label_map
from histosyn.labels.schema import LabelClass, LabelSchema
from histosyn.new_labels.contacts import parted
from histosyn.new_labels.folder import write_new_labels
from histosyn.new_labels.likeness import likeness_of
from histosyn.new_labels.procedural import drawn
from histosyn.new_labels.regions import taken_apart
from histosyn.new_labels.seen import borders_of, facts_of, seen_in
from histosyn.new_labels.settings import NewLabelSettings
from histosyn.new_labels.shapes import shape_of

LIKE = NewLabelSettings(like=True, slack=1.0)


def ellipse(size, length, width, angle, value=NUCLEUS):
    y, x = np.indices((size, size)) - (size - 1) / 2
    along = x * np.cos(angle) + y * np.sin(angle)
    across = y * np.cos(angle) - x * np.sin(angle)
    return np.where(np.hypot(along / length, across / width) < 1, value, STROMA).astype(np.uint8)


def only_shape(labels, kinds=(NUCLEUS,)):
    layers = taken_apart(labels, kinds, None)
    return shape_of(layers.regions[-1][0], kinds[:-1], None)


@given(st.floats(0, 3.1), st.floats(6, 12), st.floats(1.2, 2.5))
def test_the_shape_of_an_ellipse(angle, width, stretch):
    shape = only_shape(ellipse(80, width * stretch, width, angle))
    assert shape.area == pytest.approx(np.pi * width**2 * stretch, rel=0.05)
    assert shape.stretch == pytest.approx(stretch, rel=0.08)
    # The rounder it is, the less its pixels tell of the angle.
    assert np.cos(2 * (shape.angle - angle)) > (0.95 if stretch > 1.3 else 0.85)
    assert shape.compact > 0.95
    assert shape.hole == 0


def test_a_gland_has_a_hole():
    labels = ellipse(64, 20, 20, 0, GLAND)
    lumen = ellipse(64, 10, 10, 0, 0)
    labels[lumen == 0] = 0
    shape = only_shape(labels, (NUCLEUS, GLAND))
    assert shape.hole == pytest.approx(0.25, abs=0.02)
    assert shape.hole_class == 0


@settings(max_examples=8)
@given(st.integers(0, 40))
def test_shares_are_those_of_the_map_it_is_like(number):
    size = 96
    labels = glands_map(number, size)
    like = likeness_of(taken_apart(labels, KINDS, None), KINDS, None)
    pools = {kind.kind: kind for kind in like.kinds}
    shares = []
    for seed in range(6):
        made, counts = drawn(
            like,
            pools,
            (size, size),
            lambda what, s=seed: np.random.default_rng([s, len(what)]),
            {},
        )
        assert set(np.unique(made)) <= set(np.unique(labels))
        assert set(counts) == set(KINDS)
        shares.append(np.bincount(made.ravel(), minlength=4) / made.size)
    real = np.bincount(labels.ravel(), minlength=4) / labels.size
    assert np.mean(shares, axis=0) == pytest.approx(real, abs=0.12)


def test_classes_that_never_touch_are_parted():
    rows = np.arange(48)[:, None] // 16 * np.ones((1, 48), int)
    seen = seen_in([facts_of(rows.astype(np.uint8), 3, ())], 3, 0)
    labels = np.zeros((48, 48), np.uint8)
    labels[20:30, 20:30] = 2
    assert borders_of(labels, 3)[0, 2] > 0
    made = parted(labels, seen, 4.0)
    assert borders_of(made, 3)[0, 2] == 0
    assert (made == 2).any()


@pytest.mark.parametrize("processes", [1, pytest.param(3, marks=pytest.mark.slow)])
def test_any_number_of_processes_and_the_manifest(tmp_path, processes):
    labels = write_maps(tmp_path / "labels")
    out = tmp_path / "new"
    write_new_labels(labels, out, SCHEMA, 5, LIKE, processes=processes)
    again = tmp_path / "again"
    write_new_labels(labels, again, SCHEMA, 5, LIKE, processes=1)
    names = sorted(path.name for path in out.iterdir())
    assert len(names) == 6
    for name in names:
        assert (out / name).read_bytes() == (again / name).read_bytes()
    line = json.loads((out / "manifest.jsonl").read_text().splitlines()[0])
    assert [source["used"] for source in line["sources"]] == ["like"]
    assert set(line["operations"]["drawn"]) == {"epithelium", "nuclei"}


@pytest.mark.parametrize("classes", [2, 255])
@pytest.mark.parametrize("objects", [True, False])
def test_any_schema_and_pixels_without_a_label(tmp_path, classes, objects):
    ignore = 255 if classes < 255 else None
    schema = LabelSchema(
        name="x",
        classes=tuple(
            LabelClass(name=f"c{i}", color=f"#{i:02x}00{255 - i:02x}", objects=objects and i == 1)
            for i in range(classes)
        ),
        ignore=ignore,
    )
    (tmp_path / "labels").mkdir()
    for number in range(2):
        rng = np.random.default_rng(number)
        labels = rng.integers(0, classes, (6, 6)).astype(np.uint8).repeat(8, 0).repeat(8, 1)
        if ignore is not None:
            labels[:10, :10] = ignore
        (tmp_path / "labels" / f"{number}.png").write_bytes(label_png_bytes(labels, schema))
    made = NewLabelSettings(like=True, slack=None)
    write_new_labels(tmp_path / "labels", tmp_path / "new", schema, 2, made, processes=1)
    labels = read_label_map(tmp_path / "new" / "new-000001.png", schema)
    assert labels.shape == (48, 48)
    assert labels.max() < classes
