"""Tissue of large label maps in parts is what the network makes of them in whole."""

import numpy as np
import pytest
import torch
from painting import random_model
from tissue import SCHEMA

from histosyn.labels.field import ArrayField
from histosyn.models.folder import load_model
from histosyn.networks.generator import draw_noise
from histosyn.networks.inference import to_uint8
from histosyn.synthesis.field_tissue import FieldTissue
from histosyn.synthesis.tile import synthesize
from hpc.determinism import deterministic
from hpc.errors import InputError


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return load_model(random_model(tmp_path_factory.mktemp("model") / "m"))


def areas(height, width):
    random = np.random.default_rng(3)
    coarse = random.integers(0, len(SCHEMA), (-(-height // 20), -(-width // 20)))
    return np.kron(coarse, np.ones((20, 20), int))[:height, :width].astype(np.uint8)


def whole(model, labels, key):
    with torch.inference_mode(), deterministic():
        noise = draw_noise([key], model.facts.generator, *labels.shape, torch.device("cpu"))
        return to_uint8(model.network(torch.from_numpy(labels).long()[None], noise))[0]


@pytest.mark.parametrize("size", [(333, 517), (300, 90), (61, 700)])
def test_parts_of_a_map_of_any_size_are_those_of_the_whole(model, size):
    labels = areas(*size)
    tissue = FieldTissue(model, ArrayField(labels), 7, part=128)
    expected = whole(model, labels, 7)
    for top in range(0, size[0], 128):
        for left in range(0, size[1], 128):
            rows, columns = (
                range(top, min(top + 128, size[0])),
                range(left, min(left + 128, size[1])),
            )
            found = tissue.pixels(rows, columns)
            np.testing.assert_array_equal(found, expected[top : rows.stop, left : columns.stop])


def test_a_large_map_is_synthesized_in_windows_to_the_same_tile(model, monkeypatch):
    labels = areas(300, 260)
    expected = synthesize(model, labels, 9)
    monkeypatch.setattr("histosyn.synthesis.tile.WHOLE_UP_TO", 1)
    monkeypatch.setattr("histosyn.synthesis.field_tissue.PART", 128)
    np.testing.assert_array_equal(synthesize(model, labels, 9), expected)


def test_too_little_memory_is_said(model):
    with pytest.raises(InputError, match=r"needs 0.6 GiB .* --memory is 0.6. Give 0.7 or more"):
        FieldTissue(model, ArrayField(areas(64, 64)), 1, memory_gib=0.6)
