"""Small games of generator and discriminator, of every kind, and batches to play them on."""

from dataclasses import replace
from pathlib import Path

import torch
from tissue import tiny_config

from histosyn.config.learning import LossConfig
from histosyn.config.networks import DiscriminatorConfig
from histosyn.shards.batch import Batch

CLASSES = 4
BASE = tiny_config(Path("none"), Path("none"))
UNET = DiscriminatorConfig(kind="unet", base_channels=4, layers=3)
# Where a game is played there must be a network of this name, saved by `scripted.saved`.
FEATURES = Path("features.pt")
GAMES = {
    "hinge": BASE,
    "least squares, label-blind, R1": replace(
        BASE,
        discriminator=replace(BASE.discriminator, sees_labels=False),
        loss=LossConfig(objective="least_squares", r1=1.0, r1_interval=2),
    ),
    "class tables, coarse noise, recomputed": replace(
        BASE,
        generator=replace(
            BASE.generator, modulation="class_table", pixel_noise=False, recompute=True
        ),
    ),
    "linear entry": replace(BASE, generator=replace(BASE.generator, entry="linear", grid_size=2)),
    "pixels": replace(BASE, discriminator=UNET),
    "pixels, R1": replace(
        BASE, discriminator=UNET, loss=LossConfig(label_mix=0.0, r1=0.5, r1_interval=1)
    ),
    "filtered, stain": replace(
        BASE,
        generator=replace(
            BASE.generator,
            upsampling="bilinear",
            border="replicate",
            stain=True,
        ),
    ),
    "pretrained": replace(
        BASE,
        discriminator=replace(
            BASE.discriminator, pretrained="efficientnet-lite0", scales=1, grain_channels=4
        ),
        loss=LossConfig(perceptual=1.0, perceptual_pretrained="efficientnet-lite0"),
    ),
    "perceptual": replace(
        BASE,
        loss=LossConfig(perceptual=2.0, perceptual_network=FEATURES, perceptual_runs_code=True),
    ),
}


def with_run(config, **run):
    return replace(config, run=replace(config.run, **run))


def batch(step, ranks=1, rank=0, count=4, side=32):
    """One rank's part of a batch whose label maps ignore some pixels."""
    generator = torch.Generator().manual_seed(step)
    coarse = torch.randint(0, CLASSES, (count, side // 8, side // 8), generator=generator)
    labels = coarse.repeat_interleave(8, 1).repeat_interleave(8, 2).to(torch.uint8)
    labels[0, :5] = 255
    tiles = torch.randint(0, 256, (count, 3, side, side), generator=generator, dtype=torch.uint8)
    part = slice(rank * count // ranks, (rank + 1) * count // ranks)
    return Batch(
        number=step,
        tiles_NCHW=tiles[part],
        labels_NHW=labels[part],
        positions_N=torch.arange(count)[part],
        keys=[],
    )
