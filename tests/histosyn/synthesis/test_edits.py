"""Edits from the command line: only what an edit reaches changes, and what changed is told."""

import numpy as np
import pytest
from painting import random_model
from PIL import Image
from tissue import SCHEMA

from histosyn.images.tiles import read_tile
from histosyn.labels.label_map import label_png_bytes
from histosyn.manifests.manifest import read_manifest
from histosyn.models.folder import load_model
from histosyn.synthesis.folder import SynthesisConfig, synthesize_folder
from histosyn.synthesis.reroll_choice import RerollChoice
from histosyn.synthesis.rerolls import margin
from hpc.errors import InputError

LABELS = np.zeros((96, 200), np.uint8)
LABELS[40:56, 20:40] = 2


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return load_model(random_model(tmp_path_factory.mktemp("model") / "m"))


@pytest.fixture
def labels(tmp_path):
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "a.png").write_bytes(label_png_bytes(LABELS, SCHEMA))
    return tmp_path / "labels"


def changed(before, after):
    return (read_tile(before) != read_tile(after)).any(axis=2)


def reach(mask, by):
    rows, columns = mask.nonzero()
    found = np.zeros(mask.shape, bool)
    found[
        max(rows.min() - by, 0) : rows.max() + by + 1,
        max(columns.min() - by, 0) : columns.max() + by + 1,
    ] = True
    return found


def mask_file(folder):
    Image.fromarray(((LABELS == 2) * 255).astype(np.uint8)).save(folder / "mask.png")
    return str(folder / "mask.png")


@pytest.mark.parametrize("what", ["class", "mask", "geojson"])
def test_a_reroll_changes_what_it_names_and_little_around(model, labels, tmp_path, what):
    if what == "geojson":
        pytest.importorskip("shapely")
        from histosyn.annotations.outlines import collection_text, feature_text, regions_of

        masked = np.where(LABELS == 2, 2, 255).astype(np.uint8)
        features = (feature_text(each, SCHEMA) for each in regions_of(masked, 4))
        (tmp_path / "m.geojson").write_text("".join(collection_text(features)))
    said = {"class": SCHEMA.classes[2].name, "mask": mask_file(tmp_path),
            "geojson": str(tmp_path / "m.geojson")}[what]  # fmt: skip
    synthesize_folder(model, labels, tmp_path / "plain")
    config = SynthesisConfig(reroll=RerollChoice(what=said, seed=5))
    outcome = synthesize_folder(model, labels, tmp_path / "out", config)
    assert (outcome.made, outcome.failed) == (("a.png",), {})
    difference = changed(tmp_path / "plain" / "a.png", tmp_path / "out" / "a.png")
    assert difference[LABELS == 2].mean() > 0.5
    assert not difference[~reach(LABELS == 2, margin(model.facts.generator))].any()
    entry = read_manifest(tmp_path / "out")["a.png"]
    assert entry["changed_share"] == pytest.approx(difference.mean(), abs=1e-5)
    with Image.open(tmp_path / "out-changes" / "a.png") as picture:
        assert picture.size == (3 * 200 + 16, 96)
    assert synthesize_folder(model, labels, tmp_path / "out", config).present == ("a.png",)


def test_a_reroll_is_made_again_by_its_manifest(model, labels, tmp_path):
    config = SynthesisConfig(reroll=RerollChoice(what=SCHEMA.classes[2].name, seed=5))
    synthesize_folder(model, labels, tmp_path / "out", config)
    like = SynthesisConfig(like=tmp_path / "out" / "manifest.jsonl")
    synthesize_folder(model, labels, tmp_path / "again", like)
    made = [(tmp_path / folder / "a.png").read_bytes() for folder in ("out", "again")]
    assert made[0] == made[1]


def test_an_edit_changes_what_it_reaches(model, labels, tmp_path):
    synthesize_folder(model, labels, tmp_path / "before", SynthesisConfig(seed=3))
    edited = LABELS.copy()
    edited[44:50, 24:30] = 1
    (tmp_path / "edited").mkdir()
    (tmp_path / "edited" / "a.png").write_bytes(label_png_bytes(edited, SCHEMA))
    config = SynthesisConfig(like=tmp_path / "before" / "manifest.jsonl", edited=True)
    outcome = synthesize_folder(model, tmp_path / "edited", tmp_path / "out", config)
    assert (outcome.made, outcome.failed) == (("a.png",), {})
    difference = changed(tmp_path / "before" / "a.png", tmp_path / "out" / "a.png")
    assert difference[edited != LABELS].any()
    # 4 cells of 8, 4, 2 and 1 pixels, one for the last convolution, and the cell itself.
    assert not difference[~reach(edited != LABELS, 4 * 15 + 1 + 8)].any()
    entry = read_manifest(tmp_path / "out")["a.png"]
    assert entry["changed_share"] == pytest.approx(difference.mean(), abs=1e-5)
    assert entry["seed"] == 3


def test_what_cannot_be_is_said(model, labels, tmp_path):
    with pytest.raises(InputError, match="--edited is for --like"):
        SynthesisConfig(edited=True)
    with pytest.raises(InputError, match="leave out --like"):
        SynthesisConfig(reroll=RerollChoice(what="x", seed=1), like=tmp_path / "m")
    (tmp_path / "empty").mkdir()
    synthesize_folder(model, labels, tmp_path / "out")
    config = SynthesisConfig(like=tmp_path / "out" / "manifest.jsonl", edited=True)
    with pytest.raises(InputError, match="holds none of the label maps"):
        synthesize_folder(model, tmp_path / "empty", tmp_path / "out2", config)


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("nucleuses", "is no class of prostate-3"),
        ("nuclei", "has no pixel of what --reroll nuclei"),
    ],
)
def test_a_reroll_of_nothing_is_told_for_each_map(model, labels, tmp_path, what, said):
    config = SynthesisConfig(reroll=RerollChoice(what=what, seed=1))
    outcome = synthesize_folder(model, labels, tmp_path / "out", config)
    assert said in next(iter(outcome.failed.values()))


def test_a_mask_of_another_size_is_told(model, labels, tmp_path):
    Image.new("L", (9, 9), 255).save(tmp_path / "m.png")
    config = SynthesisConfig(reroll=RerollChoice(what=str(tmp_path / "m.png"), seed=1))
    outcome = synthesize_folder(model, labels, tmp_path / "out", config)
    assert "m.png is 9x9 pixels, its label map 200x96" in next(iter(outcome.failed.values()))
