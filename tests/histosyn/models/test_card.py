"""What the card of a model says first, and of its classes."""

from dataclasses import replace

from painting import random_model
from tissue import SCHEMA

from histosyn.labels.schema import PROPOSED
from histosyn.models.files import class_table
from histosyn.models.front_matter import front_matter


def test_the_card_begins_with_what_a_hub_reads(tmp_path):
    card = (random_model(tmp_path / "m") / "README.md").read_text()
    _, matter, body = card.split("---\n", 2)
    assert {"license: other", "library_name: histosyn", "pipeline_tag: image-to-image",
            "- label-schema-prostate-3"} <= set(matter.splitlines())  # fmt: skip
    assert body.lstrip().startswith("# A histosyn generator")
    assert "## Classes (prostate-3)" in body


def test_a_card_does_not_call_a_schema_proposed():
    made = replace(SCHEMA, name=PROPOSED)
    assert "label-schema" not in front_matter(made)
    assert "## Classes (named by no schema file)" in class_table(made)
