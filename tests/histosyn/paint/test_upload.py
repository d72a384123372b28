import io

import numpy as np
import pytest
from painting import stripes
from PIL import Image
from tissue import SCHEMA, SHARED

from histosyn.labels.label_map import label_png_bytes, load_schema, schema_from_dict
from histosyn.paint.upload import read_upload
from hpc.errors import DatasetError, LabelError

SEEDS = SHARED / "data" / "seed_labels"
SCHEMAS = {"2-class": "prostate-2", "3-class": "prostate-3", "10-class": "colon-10"}
MAPS = sorted(SEEDS.glob("*/*.png"))


def png(image):
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return buffer.getvalue()


def test_the_originals_example_maps_are_read_and_what_was_off_is_counted():
    if not MAPS:
        pytest.skip(f"{SEEDS} is not here")
    assert len(MAPS) == 12
    for path in MAPS:
        schema = load_schema(SCHEMAS[path.parent.name.rsplit("-", 1)[0]])
        found = read_upload(path.read_bytes(), path.name, schema, 1 << 22)
        with Image.open(path) as image:
            colors = np.asarray(image.convert("RGB")).astype(int)
        off = np.abs(schema.palette[found.labels_HW].astype(int) - colors).max(axis=2)
        assert sum(item.pixels for item in found.snapped) == (off > 0).sum()
        assert max((item.distance for item in found.snapped), default=0) == off.max()


def test_our_own_files_have_nothing_that_is_off():
    found = read_upload(label_png_bytes(stripes(), SCHEMA), "map", SCHEMA, 1 << 20)
    np.testing.assert_array_equal(found.labels_HW, stripes())
    assert found.snapped == ()


def test_masks_are_read_as_the_schema_says():
    classes = [{"name": "other", "color": "#ffffff"},
               {"name": "gland", "color": "#c80000", "value": 255}]  # fmt: skip
    schema = schema_from_dict({"name": "mask", "classes": classes}, "x")
    wanted = stripes() % 2
    found = read_upload(png(Image.fromarray(wanted * np.uint8(255))), "map", schema, 1 << 20)
    np.testing.assert_array_equal(found.labels_HW, wanted)
    found = read_upload(label_png_bytes(wanted, schema), "map", schema, 1 << 20)
    np.testing.assert_array_equal(found.labels_HW, wanted)


def test_a_colour_that_is_off_is_named_with_its_class():
    colors = SCHEMA.palette[stripes()].copy()
    colors[stripes() == 2] += np.array([3, 0, 0], np.uint8)
    (found,) = read_upload(png(Image.fromarray(colors)), "map", SCHEMA, 1 << 20).snapped
    assert (found.index, found.distance, found.pixels) == (2, 3, (stripes() == 2).sum())
    assert found.color == "#fff731"


def test_a_size_is_looked_at_before_pixels_are():
    with pytest.raises(DatasetError, match="70 x 60 pixels; this server takes 4,000"):
        read_upload(png(Image.new("L", (70, 60))), "map", SCHEMA, 4000)


def test_photographs_are_refused():
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, format="JPEG")
    with pytest.raises(LabelError, match="JPEG"):
        read_upload(buffer.getvalue(), "map", SCHEMA, 1 << 20)
