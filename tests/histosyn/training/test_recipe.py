"""A run with every ingredient: what its model tells, and that it goes on exactly."""

from dataclasses import replace

import numpy as np
import pytest
from tissue import pack_blobs, tiny_config

from histosyn.config.learning import LossConfig
from histosyn.models.checkpoint_state import load_state
from histosyn.models.folder import load_model
from histosyn.pretrained.packages import pretrained_facts
from histosyn.synthesis.tile import synthesize
from histosyn.training.run import run_training
from hpc import checkpoint
from hpc.log import RecordsFile


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    return pack_blobs(tmp_path_factory.mktemp("recipe"))


def recipe(shards, folder, **run):
    base = tiny_config(shards, folder, checkpoint_every=2, **run)
    return replace(
        base,
        generator=replace(
            base.generator, upsampling="bilinear", border="replicate", stain=True
        ),
        discriminator=replace(
            base.discriminator, scales=1, grain_channels=4, pretrained="efficientnet-lite0"
        ),
        loss=LossConfig(perceptual=1.0, perceptual_pretrained="efficientnet-lite0"),
    )  # fmt: skip


@pytest.fixture(scope="module")
def trained(shards, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "run"
    run_training(recipe(shards, folder, steps=4))
    return folder


def losses(folder):
    records = RecordsFile(folder / "metrics.jsonl").read()
    return [{k: v for k, v in each.items() if k.startswith("loss/")} for each in records]


def test_a_resumed_run_has_the_losses_and_the_model_of_one_that_was_not(trained, shards, tmp_path):
    folder = tmp_path / "run"
    run_training(recipe(shards, folder, steps=2))
    run_training(recipe(shards, folder, steps=4))
    assert losses(folder) == losses(trained)
    assert load_model(folder).sha256 == load_model(trained).sha256


def test_the_model_knows_its_stains_and_the_networks_of_others(trained):
    facts = load_model(trained).facts
    assert facts.training["frozen_networks"] == [pretrained_facts("efficientnet-lite0").as_dict()]
    assert facts.frozen_networks == (pretrained_facts("efficientnet-lite0").sha256,)
    assert len(facts.stains) == 12
    stain = load_model(trained).network.stain
    np.testing.assert_allclose(stain.mean_S, facts.stains.mean, rtol=1e-3, atol=1e-4)


def test_tiles_follow_the_stain(trained):
    model, labels = load_model(trained), np.zeros((32, 32), np.uint8)
    one, other = (model.facts.stains.code(number) for number in (0, 1))
    assert (synthesize(model, labels, 1, one) != synthesize(model, labels, 1, other)).any()
    assert (synthesize(model, labels, 1, one) == synthesize(model, labels, 1, one)).all()
    drawn = model.facts.stains.draw(1)
    assert (synthesize(model, labels, 1) == synthesize(model, labels, 1, drawn)).all()


def test_no_frozen_weight_is_in_a_checkpoint(trained):
    newest = checkpoint.newest_valid(trained / "checkpoints")
    names = load_state(newest)["trainer"]["players"]["discriminator"]
    assert all(name.startswith(("patches.", "heads.")) for name in names)
