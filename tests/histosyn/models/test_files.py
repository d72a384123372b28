"""A model folder records its weights, and what is loaded is what was recorded."""

import json
import logging

import pytest
import safetensors.torch
from painting import random_model

from histosyn.models.folder import load_model
from hpc.errors import DamagedFileError
from hpc.files import sha256_of_file
from hpc.weights import tensor_sha256


@pytest.fixture
def model(tmp_path):
    return random_model(tmp_path / "m")


def altered_config(folder, **changes):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def flip(path, name, byte, bit):
    """Flip one bit of the first number of a tensor."""
    raw = bytearray(path.read_bytes())
    start = 8 + int.from_bytes(raw[:8], "little")
    raw[start + json.loads(raw[8:start])[name]["data_offsets"][0] + byte] ^= bit
    path.write_bytes(raw)


def test_the_configuration_records_the_weights_as_a_whole_and_each(model):
    recorded = json.loads((model / "config.json").read_text())["weights"]
    assert recorded["sha256"] == sha256_of_file(model / "model.safetensors")
    state = safetensors.torch.load_file(model / "model.safetensors")
    assert recorded["tensors"] == {name: tensor_sha256(each) for name, each in state.items()}
    assert load_model(model).sha256 == recorded["sha256"]


@pytest.mark.parametrize(("byte", "bit"), [(3, 0x40), (0, 0x01)])
def test_one_flipped_bit_is_told_with_its_tensor(model, byte, bit):
    flip(model / "model.safetensors", "exit.weight", byte, bit)
    with pytest.raises(DamagedFileError, match=r"not the sha256 .* numbers in exit\.weight\)"):
        load_model(model)


def test_weights_that_are_not_finite_are_refused_even_where_they_are_recorded(model):
    state = safetensors.torch.load_file(model / "model.safetensors")
    state["exit.bias"].fill_(float("nan"))
    safetensors.torch.save_file(state, model / "model.safetensors")
    altered_config(model, weights=None)
    with pytest.raises(DamagedFileError, match=r"not finite .*exit\.bias"):
        load_model(model)


def test_a_model_of_an_older_version_is_told_once_and_used(model, caplog):
    sha256 = load_model(model).sha256
    altered_config(model, weights=None)
    with caplog.at_level(logging.WARNING, logger="histosyn"):
        assert load_model(model).sha256 == load_model(model).sha256 == sha256
    assert [record.getMessage().count("records no sha256") for record in caplog.records] == [1]


@pytest.mark.parametrize("record", [{}, 3, [], {"sha256": 1}, {"sha256": "0", "tensors": None}])
def test_a_record_that_is_none_is_damage(model, record):
    altered_config(model, weights=record)
    with pytest.raises(DamagedFileError, match="is damaged"):
        load_model(model)
