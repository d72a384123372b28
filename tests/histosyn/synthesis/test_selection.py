"""Tiles tried until they are read: keyed, recorded, resumed, and made again from the manifest."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from painting import GENERATOR, stripes
from tissue import SCHEMA

from histosyn.labels.label_map import label_png_bytes
from histosyn.manifests.manifest import MANIFEST, read_manifest
from histosyn.models.facts import ModelFacts
from histosyn.models.folder import load_model, save_model
from histosyn.networks.generator import Generator
from histosyn.synthesis.folder import SynthesisConfig, synthesize_folder
from histosyn.synthesis.selection import Selection, selected
from hpc.errors import InputError

LABELS = np.zeros((4, 4), np.uint8)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("selection") / "model"
    torch.manual_seed(0)
    network = Generator(GENERATOR, len(SCHEMA))
    facts = ModelFacts(generator=GENERATOR, schema=SCHEMA, tile_size=(64, 64), mpp=1.0, training={})
    save_model(folder, network, facts)
    return load_model(folder)


@pytest.fixture
def labels(tmp_path):
    folder = tmp_path / "labels"
    folder.mkdir()
    for name in ("x", "y"):
        (folder / f"{name}.png").write_bytes(label_png_bytes(stripes(), SCHEMA))
    return folder


def brightness(tile, labels):
    """Any function of the tile, in [0, 1]."""
    return float(tile.mean()) / 255


def choice(least, tries=4, score=brightness):
    return Selection(score=score, segmenter_sha256="s" * 64, least_dice=least, most_tries=tries)


@pytest.mark.parametrize(
    ("scores", "least", "kept", "tried"),
    [([0.9, 1.0], 0.5, 0, 1), ([0.1, 0.6, 0.9], 0.5, 1, 2), ([0.1, 0.3, 0.2], 0.5, 1, 3)],
)
def test_the_first_that_is_read_or_the_best(scores, least, kept, tried):
    found, told = selected(
        choice(least, len(scores), score=lambda tile, labels: scores[tile[0]]),
        LABELS,
        lambda number: np.array([number]),
    )
    assert (found[0], told.kept, told.tried, told.dice) == (kept, kept, tried, scores[kept])


def synthesize(model, labels, out, **settings):
    outcome = synthesize_folder(model, labels, out, SynthesisConfig(**settings))
    assert not outcome.failed
    return outcome


def test_tries_are_recorded_and_the_first_is_the_tile_without_selection(model, labels, tmp_path):
    synthesize(model, labels, tmp_path / "plain")
    easy = synthesize(model, labels, tmp_path / "easy", selection=choice(1e-6))
    hard = synthesize(model, labels, tmp_path / "hard", selection=choice(1.0))
    assert "2 tiles kept of 2 tried; 0 of them" in easy.selected
    assert "2 tiles kept of 8 tried; 2 of them are read less well" in hard.selected
    for name, entry in read_manifest(tmp_path / "hard").items():
        told = entry["selected"]
        assert (told["tried"], told["most_tries"], told["least_dice"]) == (4, 4, 1.0)
        easy_tile = read_manifest(tmp_path / "easy")[name]["selected"]
        assert easy_tile["kept"] == 0
        assert told["dice"] >= easy_tile["dice"]
    again = tmp_path / "again"
    synthesize(model, labels, again, selection=choice(1.0))
    for name in ("x.png", "y.png", MANIFEST):
        assert (again / name).read_bytes() == (tmp_path / "hard" / name).read_bytes()


def test_a_second_run_makes_what_is_missing(model, labels, tmp_path):
    out = tmp_path / "out"
    synthesize(model, labels, out, selection=choice(1.0))
    manifest, tile = (out / MANIFEST).read_bytes(), (out / "x.png").read_bytes()
    (out / "x.png").unlink()
    outcome = synthesize(model, labels, out, selection=choice(1.0))
    assert (outcome.made, outcome.present) == (("x.png",), ("y.png",))
    assert (out / "x.png").read_bytes() == tile
    (out / MANIFEST).unlink()
    assert not synthesize(model, labels, out, selection=choice(1.0)).made
    assert (out / MANIFEST).read_bytes() == manifest
    with pytest.raises(InputError, match="was not made from this label map"):
        synthesize(model, labels, out, selection=choice(0.9))


def test_selected_tiles_are_made_again_and_verified_without_the_reader(model, labels, tmp_path):
    out = tmp_path / "out"
    synthesize(model, labels, out, selection=choice(1.0))
    repeated = tmp_path / "repeated"
    synthesize(model, labels, repeated, like=out / MANIFEST)
    assert (repeated / "x.png").read_bytes() == (out / "x.png").read_bytes()
    with pytest.raises(InputError, match="leave out --like"):
        SynthesisConfig(like=out / MANIFEST, selection=choice(1.0))


@pytest.mark.parametrize("wrong", [{"least_dice": 0.0}, {"least_dice": 1.5}, {"most_tries": 0}])
def test_what_cannot_be_asked_for(wrong):
    with pytest.raises(InputError, match="--least-dice|--most-tries"):
        replace(choice(0.5), **wrong)
