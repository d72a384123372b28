"""The model folder of a segmenter, and reading tiles with it."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from painting import random_model
from tissue import SCHEMA

from eval.segmenter.config import NetworkConfig
from eval.segmenter.model import SegmenterFacts, load_segmenter, save_segmenter
from eval.segmenter.unet import UNet
from hpc.errors import DamagedFileError, InputError
from hpc.files import sha256_of_file

CONFIG = NetworkConfig(base_channels=4, max_multiplier=2, halvings=2)
FACTS = SegmenterFacts(
    network=CONFIG, schema=SCHEMA, tile_size=(16, 24), mpp=0.5, training={"steps": 3}
)


@pytest.fixture
def folder(tmp_path):
    torch.manual_seed(0)
    save_segmenter(tmp_path / "model", UNet(CONFIG, len(SCHEMA)), FACTS)
    return tmp_path / "model"


def tiles(n, height=16, width=24, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, height, width, 3), dtype=np.uint8)


def as_input(tiles_NHWC):
    return torch.from_numpy(tiles_NHWC).permute(0, 3, 1, 2).float() / 127.5 - 1


def test_what_was_saved_is_loaded(folder):
    segmenter = load_segmenter(folder)
    assert segmenter.facts == FACTS
    assert segmenter.sha256 == sha256_of_file(folder / "model.safetensors")
    assert segmenter.sha256 in (folder / "README.md").read_text()
    assert not any(weight.requires_grad for weight in segmenter.network.parameters())


def test_a_run_folder_stands_for_its_model(folder):
    assert load_segmenter(folder.parent).sha256 == load_segmenter(folder).sha256


def test_logits_and_features_have_their_shapes(folder):
    segmenter = load_segmenter(folder)
    assert segmenter.logits(as_input(tiles(2))).shape == (2, len(SCHEMA), 16, 24)
    # The bottleneck has 8 channels, the decoder's levels 8 and 4.
    assert segmenter.features(as_input(tiles(2))).shape == (2, 20)


@given(height=st.integers(1, 21), width=st.integers(1, 21))
def test_any_size_is_read(height, width):
    network = UNet(CONFIG, 3).eval()
    with torch.no_grad():
        logits = network(as_input(tiles(1, height, width)))
    assert logits.shape == (1, 3, height, width)
    assert logits.isfinite().all()


def test_a_tile_is_read_alike_in_any_company(folder):
    segmenter = load_segmenter(folder)
    many = tiles(5)
    together = segmenter.features(as_input(many))
    alone = torch.cat([segmenter.features(as_input(many[i : i + 1])) for i in range(5)])
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-6)
    assert (segmenter.predict(many)[2:3] == segmenter.predict(many[2:3])).mean() > 0.99


def test_the_answer_is_the_class_of_the_largest_logit(folder):
    segmenter = load_segmenter(folder)
    expected = segmenter.logits(as_input(tiles(2))).argmax(1).numpy()
    np.testing.assert_array_equal(segmenter.predict(tiles(2)), expected)


def test_what_is_no_segmenter_is_told(folder, tmp_path):
    with pytest.raises(InputError, match="is no segmenter"):
        load_segmenter(tmp_path / "nothing")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"kind": "generator"}))
    with pytest.raises(InputError, match="describes no segmenter"):
        load_segmenter(folder)


def test_a_generator_is_called_one(tmp_path):
    model = random_model(tmp_path / "m")
    with pytest.raises(InputError, match="describes no segmenter, but a generator"):
        load_segmenter(model)
    run = tmp_path / "run"
    (run / "checkpoints/step-00000001").mkdir(parents=True)
    (run / "config.toml").write_text("# mine\n[generator]\n")
    with pytest.raises(InputError, match="is no segmenter: it is the folder of a run of `train`"):
        load_segmenter(run)
    (run / "checkpoints/step-00000001/checkpoint.json").write_text("{}")
    with pytest.raises(InputError, match="is no segmenter: it is a checkpoint"):
        load_segmenter(run / "checkpoints/step-00000001")


def test_a_segmenter_with_a_flipped_bit_is_told(folder):
    raw = bytearray((folder / "model.safetensors").read_bytes())
    raw[-1] ^= 0x40
    (folder / "model.safetensors").write_bytes(raw)
    with pytest.raises(DamagedFileError, match="not the sha256"):
        load_segmenter(folder)


@pytest.mark.parametrize(
    "damage",
    [
        {"network": {"base_channels": 8, "max_multiplier": 2, "halvings": 2}},
        {"format_version": 99},
        {"tile_size": 3},
        {"schema": None},
    ],
)
def test_a_config_that_does_not_fit_is_damage(folder, damage):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | damage))
    with pytest.raises((DamagedFileError, InputError)):
        load_segmenter(folder)


def test_cut_weights_are_damage(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(DamagedFileError, match="is damaged"):
        load_segmenter(folder)
