"""Making one tile from an array: whatever is no label map of the model is refused by name."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from painting import random_model, stripes
from tissue import SCHEMA

from histosyn.models.folder import load_model
from histosyn.synthesis.rerolls import Rerolls
from histosyn.synthesis.tile import class_indices, synthesize, synthesize_painted
from hpc.errors import InputError, LabelError

MAP = stripes()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return random_model(tmp_path_factory.mktemp("model") / "m")


@pytest.fixture(scope="module")
def model(folder):
    return load_model(folder)


@pytest.mark.parametrize(
    "labels",
    [MAP.astype(np.int64), MAP.astype(">u2"), MAP.tolist(), torch.from_numpy(MAP), MAP[:, ::1]],
)
def test_whole_numbers_of_any_type_are_the_same_map(model, labels):
    np.testing.assert_array_equal(synthesize(model, labels, 5), synthesize(model, MAP, 5))


def changed(value, dtype=np.int64):
    labels = MAP.astype(dtype)
    labels[3:5, 2] = value
    return labels


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (changed(4), r"value 4 \(2 pixels\), which is no class of prostate-3: 0 background, 1 non"),
        (changed(-1), r"value -1 \(2 pixels\)"),
        (changed(256), r"value 256 \(2 pixels\)"),
        (changed(2**40), rf"value {2**40} \(2 pixels\)"),
        (changed(255), r"value 255 .*: 0 background, 1 non-epithelium, 2 epithelium, 3 nuclei\."),
        (MAP.astype(float), "whole numbers, not float64"),
        (MAP > 1, "whole numbers, not bool"),
        (MAP[None], r"the shape \(H, W\), not \(1, 48, 64\)"),
        (MAP[0], r"the shape \(H, W\), not \(64,\)"),
        (MAP[:0], r"the shape \(H, W\), not \(0, 64\)"),
        (np.zeros((4, 4, 3), np.uint8), r"not \(4, 4, 3\)"),
        (None, r"the shape \(H, W\), not \(\)"),
        ([[0, 1], ["a", "b"]], "whole numbers"),
    ],
)
def test_other_arrays_are_refused(model, labels, said):
    with pytest.raises(LabelError, match=said):
        synthesize(model, labels, 5)
    rerolls = Rerolls(areas_HW=np.zeros(MAP.shape, np.uint8), seeds=())
    with pytest.raises(LabelError, match=said):
        synthesize_painted(model, labels, 5, rerolls)


def test_ignored_pixels_are_none_of_the_classes_and_allowed():
    schema, labels = replace(SCHEMA, ignore=255), changed(255)
    np.testing.assert_array_equal(class_indices(labels, schema), labels)
    with pytest.raises(LabelError, match=r"3 nuclei, 255 \(ignored\)"):
        class_indices(changed(254), schema)


def test_areas_of_another_size_are_refused(model):
    rerolls = Rerolls(areas_HW=np.zeros((8, 8), np.uint8), seeds=())
    with pytest.raises(LabelError, match="64x48 pixels, the map of re-rolled areas 8x8"):
        synthesize_painted(model, MAP, 5, rerolls)


@pytest.mark.parametrize("device", ["cpu", torch.device("cpu")])
def test_models_are_loaded_by_text(folder, device):
    assert load_model(str(folder), device).sha256 == load_model(folder).sha256


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nowhere", "cpu"), "nowhere is no model: it does not exist"),
        ((None, "cpu"), "model: None is no path"),
        (("m", "gpu"), "device 'gpu' is none"),
        (("m", 3.5), "device 3.5 is none"),
        (("m", "cpu", "half"), "precision 'half' is none"),
    ],
)
def test_what_cannot_be_loaded_is_told(folder, monkeypatch, arguments, said):
    monkeypatch.chdir(folder.parent)
    with pytest.raises(InputError, match=said):
        load_model(*arguments)
