"""Indices taken for colours, colours for indices, and either for brightness."""

import numpy as np
import pytest
from PIL import Image

from histosyn.labels.label_map import load_schema, schema_from_dict

STRANGE = [[10, 20, 30], [200, 100, 0], [7, 7, 7], [90, 90, 200]]


@pytest.mark.parametrize(
    ("values", "hint"),
    [
        ([0, 255], "0, 255 look like 0, 1 times 255"),
        ([0, 85, 170, 255], "look like 0, 1, 2, 3 times 85"),
        ([0, 127, 255], "look like 0, 1, 2 times 127.5"),
        ([0, 128, 255], "look like 0, 1, 2 times 127.5"),
        ([0, 50, 100], "look like 0, 1, 2 times 50"),
    ],
)
def test_stretched_indices_are_recognised(folders, values, hint):
    drawn = np.array(values, np.uint8)[folders.indices() % len(values)]
    folders.put_label("0001", drawn)
    finding = folders.named("label maps whose indices are stretched")
    assert finding.severity == "error"
    assert hint in finding.where[0]


@pytest.mark.parametrize("values", [[0, 1, 2, 7], [0, 7], [200, 201], [9, 9], [0, 240, 241]])
def test_other_values_are_just_values(folders, values):
    drawn = np.array(values, np.uint8)[folders.indices() % len(values)]
    folders.put_label("0001", drawn)
    assert folders.finding().what == "values outside the schema"


def test_colours_turned_to_gray_are_recognised(folders):
    colors = Image.fromarray(folders.schema.palette[folders.indices()])
    folders.put_label("0001", np.asarray(colors.convert("L")))
    finding = folders.named("label maps whose class colours were turned to gray")
    assert "255 is as bright as background" in finding.where[0]
    assert finding.severity == "error"


def test_a_palette_of_class_colours_and_others_is_told_apart(folders):
    palette = folders.schema.palette[::-1].copy()
    palette[1] = (1, 2, 200)
    folders.put_label("0001", folders.indices(), palette=palette)
    finding = folders.named("palettes of which only some")
    assert finding.where == ("0001.png: of its colours some are of classes, but not #0102c8",)
    assert finding.severity == "error"


def test_a_palette_of_another_schema_is_read_by_index_with_a_warning(folders):
    folders.put_label("0001", folders.indices(), palette=load_schema("colon-10").palette[:4])
    finding = folders.finding()
    assert finding.severity == "warning"
    assert finding.where == (
        "0001.png: the colours of colon-10, read by index as classes [0, 1, 2, 3]",
    )


def test_one_colour_order_in_all_files_is_no_problem(folders):
    for key in ("0001", "0002"):
        folders.put_label(key, folders.indices(), palette=STRANGE)
    assert folders.examined().findings == ()


def test_colours_in_another_order_in_another_file_show_that_indices_mean_nothing(folders):
    folders.put_label("0001", folders.indices(), palette=STRANGE)
    folders.put_label("0002", folders.indices(), palette=STRANGE[::-1])
    finding = folders.named("palette files whose indices have other colours")
    assert finding.severity == "error"
    assert finding.where[0] == "index 0: #0a141e in 0001.png, #5a5ac8 in 0002.png"


def test_colours_beside_indices_are_told(folders):
    folders.put_label("0001", folders.schema.palette[folders.indices()])
    finding = folders.finding()
    assert finding.what == "label maps by colour beside label maps by index"
    assert finding.where == ("by colour: 0001.png", "by index: 0000.png")


def test_a_mask_is_not_taken_for_ignored_pixels_in_silence(folders):
    schema = schema_from_dict(folders.schema.as_dict() | {"ignore": 255}, "s")
    folders.relabel(lambda values: (values % 2) * np.uint8(255))
    assert folders.named("nothing but class 0 and ignored", schema=schema).severity == "warning"


def test_ignored_pixels_are_counted_apart(folders):
    folders.put_label("0001", np.full((16, 16), 255, dtype=np.uint8))
    schema = schema_from_dict(folders.schema.as_dict() | {"ignore": 255}, "s")
    diagnosis = folders.examined(schema=schema)
    assert diagnosis.findings == ()
    assert diagnosis.ignored_pixels == 256
    assert sum(diagnosis.class_pixels) == 3 * 256
    assert diagnosis.class_tiles == (3, 3, 3, 3)
