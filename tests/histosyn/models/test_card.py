"""What the card of a model says."""

from painting import random_model


def test_the_card_begins_with_what_a_hub_reads(tmp_path):
    card = (random_model(tmp_path / "m") / "README.md").read_text()
    _, matter, body = card.split("---\n", 2)
    assert {"license: other", "library_name: histosyn", "pipeline_tag: image-to-image",
            "- label-schema-prostate-3"} <= set(matter.splitlines())  # fmt: skip
    assert body.lstrip().startswith("# A histosyn generator")
    assert "## Classes (prostate-3)" in body
