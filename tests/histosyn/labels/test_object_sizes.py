"""Objects tell the resolution of label maps that nothing else tells it of."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from painting import random_model
from tissue import SCHEMA, pack_blobs, tiny_config

from histosyn.labels.label_map import label_png_bytes
from histosyn.labels.object_sizes import ObjectSizes, measure_objects, odd_sizes, sizes_as_plain
from histosyn.models.facts import facts_from_dict
from histosyn.models.folder import load_model
from histosyn.shards.dataset import open_shards
from histosyn.synthesis.folder import SynthesisConfig, synthesize_folder
from histosyn.synthesis.resolution import SaidResolution
from histosyn.training.data import objects_of_shards
from histosyn.training.run import run_training
from hpc.errors import DamagedFileError

NUCLEI = "nuclei"


def cells(radius, side=160, gap=4, seed=0):
    """A label map with nuclei of this radius, one in each square of a grid, some cut by edges."""
    pitch = 2 * radius + gap
    shift = np.random.default_rng(seed).integers(0, pitch)
    place = (np.arange(side) + shift) % pitch - pitch / 2
    inside = place[:, None] ** 2 + place[None] ** 2 <= radius**2
    return np.where(inside, 3, 1).astype(np.uint8)


def test_whole_objects_count_and_specks_and_cut_ones_do_not():
    labels = cells(5)
    labels[0:2, 0:2] = 2
    sizes = measure_objects([labels, labels, labels], SCHEMA)
    assert set(sizes) == {NUCLEI}, "what surrounds them is no object: the edges cut it"
    area = np.pi * 25
    diameter = sizes[NUCLEI].median_diameter
    assert abs(diameter - 2 * np.sqrt(area / np.pi)) < 0.6
    few = np.ones((64, 64), np.uint8)
    few[10:20, 10:20] = 3
    assert measure_objects([few], SCHEMA) == {}
    assert measure_objects([], SCHEMA) == {}
    ignored = np.full((64, 64), 255, np.uint8)
    assert measure_objects([ignored], replace(SCHEMA, ignore=255)) == {}


@given(st.integers(3, 7), st.sampled_from([1, 2, 4]))
def test_at_twice_the_resolution_they_are_twice_as_wide(radius, times):
    here = measure_objects([np.kron(cells(radius), np.ones((times, times), np.uint8))], SCHEMA)
    there = measure_objects([cells(radius)], SCHEMA)
    found = odd_sizes(here, there)
    if times == 1:
        assert found is None
    else:
        assert found.ratio == pytest.approx(times, rel=0.01)
        assert odd_sizes(there, here).ratio == pytest.approx(1 / times, rel=0.01)


def test_the_commonest_kind_decides():
    def sizes(nuclei, glands):
        return {
            NUCLEI: ObjectSizes(count=900, median_diameter=nuclei),
            "epithelium": ObjectSizes(count=30, median_diameter=glands),
        }

    assert odd_sizes(sizes(14, 200), sizes(14, 80)) is None
    assert odd_sizes(sizes(28, 80), sizes(14, 80)).name == NUCLEI
    assert odd_sizes({}, sizes(14, 80)) is None


def test_sizes_survive_their_file():
    sizes = {NUCLEI: ObjectSizes(count=20, median_diameter=9.5)}
    plain = json.loads(json.dumps(sizes_as_plain(sizes)))
    assert {name: ObjectSizes(**each) for name, each in plain.items()} == sizes


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Of 0.5 microns per pixel, whose training nuclei were ten pixels wide."""
    loaded = load_model(random_model(tmp_path_factory.mktemp("model") / "m"))
    objects = measure_objects([cells(5)], SCHEMA)
    return replace(loaded, facts=replace(loaded.facts, mpp=0.5, objects=objects))


def synthesize(model, tmp_path, radius, **said):
    labels = tmp_path / "labels"
    labels.mkdir()
    for number in range(2):
        data = label_png_bytes(cells(radius, 256, seed=number), SCHEMA)
        (labels / f"{number}.png").write_bytes(data)
    (labels / "damaged.png").write_bytes(b"nothing")
    config = SynthesisConfig(resolution=SaidResolution(**said))
    return synthesize_folder(model, labels, tmp_path / "out", config)


def test_twice_the_resolution_is_a_warning_that_says_what_to_do(model, tmp_path, caplog):
    outcome = synthesize(model, tmp_path, 10)
    assert len(outcome.made) == 2
    assert "the objects of nuclei are 2.0 times as wide as in the model's training" in caplog.text
    assert "if theirs is about 0.25, pass --source-mpp" in caplog.text


@pytest.mark.parametrize(("radius", "said"), [(5, {}), (6, {}), (10, {"source_mpp": 0.25})])
def test_the_usual_sizes_are_none(model, tmp_path, caplog, radius, said):
    caplog.set_level("INFO")
    synthesize(model, tmp_path, radius, **said)
    assert "times as wide" not in caplog.text
    told = "at 0.25 microns per pixel, the model at 0.5: they are resampled, 256x256 pixels become"
    assert (told in caplog.text) == bool(said)


def test_what_was_said_wrong_is_seen(model, tmp_path, caplog):
    synthesize(model, tmp_path, 5, source_mpp=0.25)
    assert "0.4 times as wide" in caplog.text
    assert "Check the microns per pixel that were given" in caplog.text


def test_a_model_that_knows_none_warns_of_nothing(model, tmp_path, caplog):
    older = replace(model, facts=replace(model.facts, objects={}))
    synthesize(older, tmp_path, 10)
    assert "times as wide" not in caplog.text


def test_a_training_remembers_them_in_its_checkpoints_and_its_model(tmp_path):
    shards = pack_blobs(tmp_path, count=40)
    known = objects_of_shards(open_shards(shards))
    assert known, "the blobs of this data set are objects"
    config = tiny_config(shards, tmp_path / "run", steps=1, checkpoint_every=1)
    shipped = load_model(run_training(config))
    assert shipped.facts.objects == known
    assert load_model(tmp_path / "run").facts.objects == known


@pytest.mark.parametrize(
    "objects", [3, {"a": 3}, {"a": {"count": 0, "median_diameter": 3}},
                {"a": {"count": 5, "median_diameter": "NaN"}}, {"a": {"count": 5}}]
)  # fmt: skip
def test_damaged_sizes_are_named(model, objects):
    data = model.facts.as_dict() | {"objects": objects}
    with pytest.raises(DamagedFileError, match=r"config\.json is damaged"):
        facts_from_dict(data, "config.json")
    del data["objects"]
    assert facts_from_dict(data, "config.json").objects == {}
