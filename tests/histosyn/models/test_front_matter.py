"""What a hub reads of a model card is what was meant, whatever letters and numbers it holds."""

from dataclasses import replace

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from tissue import SCHEMA

from histosyn.labels.schema import PROPOSED
from histosyn.models.files import class_table
from histosyn.models.front_matter import front_matter, yaml_text

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
)
PLAIN = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner) | st.dictionaries(st.text('ab-:# "\\né', min_size=1), inner),
)


@given(st.dictionaries(st.text("abc_-"), PLAIN))
def test_yaml_says_what_the_data_are(content):
    assert yaml.safe_load(yaml_text({"first": 1} | content)) == {"first": 1} | content


@pytest.mark.parametrize("text", ["no", "yes", "1e-5", "0x1", "2026-01-01", "~", "- a", "a: b", ""])
def test_words_stay_words(text):
    assert yaml.safe_load(yaml_text({"name": text})) == {"name": text}


def test_small_numbers_stay_numbers_and_bytes_of_odd_names_are_no_fault():
    data = yaml.safe_load(yaml_text({"value": 1e-05, "large": 1e22, "name": "a\udcff"}))
    assert data == {"value": 1e-05, "large": 1e22, "name": "a\ufffd"}


def test_without_results_there_is_no_model_index():
    _, matter, rest = front_matter(SCHEMA).split("---\n")
    assert not rest
    found = yaml.safe_load(matter)
    assert (found["license"], found["library_name"]) == ("other", "histosyn")
    assert found["pipeline_tag"] == "image-to-image"
    assert "label-schema-prostate-3" in found["tags"]
    assert "model-index" not in found


def test_a_card_does_not_call_a_schema_proposed():
    made = replace(SCHEMA, name=PROPOSED)
    assert "label-schema" not in front_matter(made)
    assert "## Classes (named by no schema file)" in class_table(made)
