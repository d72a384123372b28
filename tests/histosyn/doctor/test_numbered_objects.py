"""Instance maps are no class maps: doctor says so, and examines them as what they are."""

import numpy as np
import pytest

from histosyn.labels.label_map import load_schema
from hpc.errors import ConfigError

WHAT = "label maps that number objects (instances), it seems, instead of naming classes"


def objects(count):
    values = np.zeros((48, 48), dtype=np.uint8)
    for number in range(count):
        y, x = divmod(number, 5)
        values[9 * y : 9 * y + 7, 9 * x : 9 * x + 7] = number + 1
    return values


@pytest.fixture
def numbered(empty):
    for index, count in enumerate((3, 7, 2, 9, 5, 4)):
        empty.put_tile(f"{index}", empty.noise(48))
        empty.put_label(f"{index}", objects(count))
    return empty


@pytest.mark.parametrize("schema", [None, load_schema("colon-10"), load_schema("prostate-3")])
def test_numbers_are_told_whatever_the_schema(numbered, schema):
    finding = numbered.named("label maps that number", schema=schema)
    assert finding.severity == "error"
    assert finding.what == WHAT
    assert finding.where[0].endswith("and they count from 1; 3.png has 9")
    assert "--objects-are CLASS" in finding.remedy


@pytest.mark.parametrize("schema", [None, load_schema("prostate-3")])
def test_numbers_in_a_palette_are_told(numbered, schema):
    for index, count in enumerate((3, 7, 2, 9, 5, 4)):
        palette = np.random.default_rng(5).integers(0, 256, (256, 3))
        numbered.put_label(f"{index}", objects(count), palette=palette)
    assert WHAT in [item.what for item in numbered.examined(schema=schema).findings]


def test_that_they_are_classes_can_be_said(numbered):
    schema = load_schema("colon-10")
    findings = numbered.examined(schema=schema, objects_are="none").findings
    assert WHAT not in [item.what for item in findings]


def test_objects_of_one_class_are_examined_as_that_class(numbered):
    diagnosis = numbered.examined(objects_are="epithelium")
    assert diagnosis.errors == ()
    assert diagnosis.class_pixels == (6 * 48**2 - 30 * 49, 0, 30 * 49, 0)


def test_objects_need_no_schema(numbered):
    diagnosis = numbered.examined(schema=None, objects_are="gland")
    assert [item.name for item in diagnosis.schema.classes] == ["background", "gland"]
    assert diagnosis.errors == ()


def test_objects_of_16_bits_are_no_class_map_but_can_be_folded(numbered):
    for index, count in enumerate((3, 7, 2, 9, 5, 4)):
        numbered.put_label(f"{index}", objects(count).astype(np.uint16) * 300)
    assert "--objects-are CLASS" in numbered.named("label maps of more than 8 bits").remedy
    assert numbered.examined(objects_are="nuclei").class_pixels[3] == 30 * 49


def test_a_class_that_the_schema_lacks_is_refused_at_once(numbered):
    with pytest.raises(ConfigError, match="gland: schema prostate-3 has no such class"):
        numbered.examined(objects_are="gland")
