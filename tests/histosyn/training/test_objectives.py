"""Each objective makes the generator learn: losses fall and tissue takes on its colours."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tissue import SCHEMA, blobs, pack_blobs, tiny_config

from histosyn.config.learning import LossConfig, OptimizerConfig
from histosyn.config.networks import DiscriminatorConfig
from histosyn.models.folder import load_model
from histosyn.networks.noise import draw_noise
from histosyn.training.objectives import make_objective
from histosyn.training.run import run_training

CPU = torch.device("cpu")
UNET = DiscriminatorConfig(kind="unet", base_channels=8, layers=3)
PATCH = DiscriminatorConfig(base_channels=8, layers=3, scales=2, pretrained="none")
OBJECTIVES = {
    "hinge": (PATCH, LossConfig()),
    "least squares": (PATCH, LossConfig(objective="least_squares")),
    "label-blind": (replace(PATCH, sees_labels=False), LossConfig(objective="least_squares")),
    "pixels": (UNET, LossConfig()),
    "hinge with a penalty": (PATCH, LossConfig(r1=1.0, r1_interval=4)),
}


@pytest.mark.parametrize(
    "discriminator, loss, names",
    [
        (PATCH, LossConfig(), (["hinge"], ["adversarial", "feature_matching"])),
        (PATCH, LossConfig(objective="least_squares", feature_matching=0.0, r1=1.0),
         (["least_squares", "r1"], ["adversarial"])),
        (UNET, LossConfig(), (["pixels", "label_mix"], ["adversarial"])),
        (UNET, LossConfig(label_mix=0.0), (["pixels"], ["adversarial"])),
        (UNET, LossConfig(perceptual=1.0, perceptual_pretrained="efficientnet-lite0"),
         (["pixels", "label_mix"], ["adversarial", "perceptual"])),
    ],
)  # fmt: skip
def test_terms_of_weight_zero_are_left_out(discriminator, loss, names):
    objective = make_objective(loss, discriminator, CPU)
    told = tuple(
        [term.name for term in terms] for terms in (objective.discriminator, objective.generator)
    )
    assert told == names
    assert objective.mixes == ("label_mix" in names[0])


def colour_error(folder):
    """Mean distance of synthetic colours from those of their classes, of 255."""
    generator = load_model(folder, CPU).network
    errors = []
    for index in range(100, 104):
        _, labels = blobs(index, 64)
        noise = draw_noise([index], generator.config, 64, 64, CPU)
        with torch.no_grad():
            tile = generator(torch.from_numpy(labels).long()[None], noise)[0].permute(1, 2, 0)
        wanted = SCHEMA.palette[labels].astype(float)
        errors.append(np.abs((tile.numpy() + 1) * 127.5 - wanted).mean())
    return np.mean(errors)


@pytest.mark.slow
@pytest.mark.parametrize("name", list(OBJECTIVES))
def test_each_objective_teaches_colours(name, tmp_path):
    discriminator, loss = OBJECTIVES[name]
    shards = pack_blobs(tmp_path)
    settings = {"precision": "float32", "report_every": 10, "checkpoint_every": 10}
    config = replace(
        tiny_config(shards, tmp_path / "run", **settings, steps=10),
        discriminator=discriminator,
        loss=loss,
        optimizer=OptimizerConfig(generator_lr=2e-3, discriminator_lr=2e-3),
    )
    run_training(config)
    early = colour_error(tmp_path / "run")
    run_training(replace(config, run=replace(config.run, steps=150)))
    late = colour_error(tmp_path / "run")
    assert late < 0.7 * early
