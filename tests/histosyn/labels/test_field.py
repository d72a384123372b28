"""Label maps on disk are those in memory, in any window and at any scale."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from tissue import SCHEMA, blobs

from histosyn.images.resampling import resample_labels, scaled_size
from histosyn.labels.field import ArrayField, ResampledField, field_of_image, write_field
from histosyn.labels.label_map import label_image, read_label_map
from histosyn.labels.schema import load_schema
from hpc.errors import LabelError

LABELS = np.pad(blobs(0, 128)[1], ((0, 60), (0, 12)), constant_values=2)


@pytest.fixture(autouse=True)
def few_rows(monkeypatch):
    monkeypatch.setattr("histosyn.images.png_rows._PART_BYTES", 2000)


def save(path, kind):
    image = label_image(LABELS, SCHEMA)
    if kind == "colours":
        image = image.convert("RGB")
    if kind == "indices":
        image = Image.fromarray(LABELS)
    options = {"compression": "tiff_lzw", "tiffinfo": {278: 9}} if path.suffix == ".tif" else {}
    image.save(path, **options)
    return path


@pytest.mark.parametrize("kind", ["palette", "colours", "indices"])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_a_file_read_by_parts_means_what_it_means_whole(tmp_path, kind, suffix):
    path = save(tmp_path / f"map{suffix}", kind)
    field = field_of_image(path, SCHEMA, tmp_path / "kept", "map")
    assert field.size == LABELS.shape
    np.testing.assert_array_equal(field.window(*map(range, field.size)), LABELS)
    np.testing.assert_array_equal(read_label_map(path, SCHEMA), LABELS)
    assert (tmp_path / "kept").read_bytes() == LABELS.tobytes()


def test_windows_have_a_place_and_a_step(tmp_path):
    field = field_of_image(save(tmp_path / "a.png", "palette"), SCHEMA, tmp_path / "kept", "a")
    for rows, columns in [(range(3, 99, 4), range(8, 140, 8)), (range(5, 6), range(0, 140))]:
        expected = LABELS[rows.start : rows.stop : rows.step, columns.start : 140 : columns.step]
        expected = expected[:, : len(columns)]
        np.testing.assert_array_equal(field.window(rows, columns), expected)
        np.testing.assert_array_equal(ArrayField(LABELS).window(rows, columns), expected)


def test_an_unknown_value_anywhere_in_the_file_is_named(tmp_path):
    labels = LABELS.copy()
    labels[-1, 7] = 9
    Image.fromarray(labels).save(tmp_path / "a.png")
    with pytest.raises(LabelError, match=r"a.png: value 9 \(1 pixels\)"):
        field_of_image(tmp_path / "a.png", SCHEMA, tmp_path / "kept", "a.png")
    assert not (tmp_path / "kept").exists()


def test_colours_that_are_gray_in_one_part_only(tmp_path):
    """The first rows alone could be taken for values: white is background, 255 is none."""
    schema = load_schema("prostate-2")
    colors = np.full((90, 40, 3), 255, np.uint8)
    colors[60:] = schema.palette[1]
    Image.fromarray(colors).save(tmp_path / "a.png")
    field = field_of_image(tmp_path / "a.png", schema, tmp_path / "kept", "a")
    expected = read_label_map(tmp_path / "a.png", schema)
    np.testing.assert_array_equal(field.window(range(90), range(40)), expected)


@given(st.integers(1, 70), st.integers(1, 70), st.floats(0.2, 3.0), st.data())
def test_resampled_windows_are_those_of_the_resampled_map(height, width, scale, data):
    labels = np.random.default_rng(0).integers(0, 4, (height, width)).astype(np.uint8)
    size = scaled_size((height, width), scale)
    field = ResampledField(ArrayField(labels), size)
    top = data.draw(st.integers(0, size[0] - 1))
    step = data.draw(st.integers(1, 4))
    rows, columns = range(top, size[0], step), range(0, size[1], step)
    expected = resample_labels(labels, scale)[top::step, ::step]
    np.testing.assert_array_equal(field.window(rows, columns), expected)


def test_parts_may_reach_beyond_the_map_as_tiles_do(tmp_path):
    write_field(
        tmp_path / "a",
        (5, 7),
        [(0, 0, np.ones((4, 4), np.uint8)), (4, 4, np.full((4, 4), 2, np.uint8))],
    )
    found = np.frombuffer((tmp_path / "a").read_bytes(), np.uint8).reshape(5, 7)
    assert found.sum() == 16 + 2 * 3
