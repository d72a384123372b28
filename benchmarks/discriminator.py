"""What a step with a discriminator of pixels costs, against the published layout of one.

    python benchmarks/discriminator.py [--device cuda] [--tiles 2] [--side 256]

The published layout (Schönfeld et al. 2021: six residual blocks down, six up, 128 channels
at full resolution) is built here for its sizes alone, in the published order: a forward of the
generator and one of the discriminator for each player. Ours: `histosyn.updates.simultaneous` with
`UnetDiscriminator`. All take turns in one run; CPU seconds of this process, or seconds of the GPU.
The generator is the same everywhere, so that a difference is the discriminator's and the order's.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import time
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm

from histosyn.config import (
    DataConfig,
    DiscriminatorConfig,
    GeneratorConfig,
    OptimizerConfig,
    RunConfig,
    TrainConfig,
)
from histosyn.objectives import make_objective
from histosyn.phantom import render_phantom
from histosyn.players import Player, Players
from histosyn.scene import set_scene
from histosyn.shards.stream import Batch
from histosyn.updates import UPDATES
from hpc.files import write_json

CLASSES = 4


class Published(nn.Module):
    """The layout of Schönfeld et al. 2021 for 256-pixel tiles, 128 channels wide."""

    def __init__(self, classes, width=128):
        super().__init__()
        down = (3, width, width, 2 * width, 2 * width, 4 * width, 4 * width)
        up = (4 * width, 2 * width, 2 * width, width, width, width // 2)
        pairs = itertools.pairwise(down)
        self.down = nn.ModuleList(
            PublishedBlock(inner, outer, first=i == 0) for i, (inner, outer) in enumerate(pairs)
        )
        inner = (down[-1], *(of + skip for of, skip in zip(up, down[-2:0:-1], strict=False)))
        self.up = nn.ModuleList(PublishedBlock(i, o) for i, o in zip(inner, up, strict=True))
        self.head = nn.Conv2d(up[-1], classes + 1, 1)

    def forward(self, tiles_NCHW, labels_NHW):
        x, skips = tiles_NCHW, []
        for block in self.down:
            x = functional.avg_pool2d(block(x), 2)
            skips.append(x)
        skips.pop()
        for block in self.up:
            x = block(functional.interpolate(x, scale_factor=2, mode="nearest"))
            if skips:
                x = torch.cat([x, skips.pop()], dim=1)
        return [[self.head(x)]]


class PublishedBlock(nn.Module):
    def __init__(self, inner, outer, first=False):
        super().__init__()
        self.first = first
        self.conv_0 = spectral_norm(nn.Conv2d(inner, outer, 3, padding=1))
        self.conv_1 = spectral_norm(nn.Conv2d(outer, outer, 3, padding=1))
        self.shortcut = spectral_norm(nn.Conv2d(inner, outer, 1, bias=False))

    def forward(self, x):
        y = x if self.first else functional.leaky_relu(x, 0.2)
        y = self.conv_1(functional.leaky_relu(self.conv_0(y), 0.2))
        return y + self.shortcut(x)


class Contender:
    """A discriminator and an order of updates, ready to take steps against a generator."""

    def __init__(self, config, batch, device, generator=None, published=False):
        self.players = Players(config, CLASSES, device)
        # One for all: each with its optimizer's states would fill a small machine.
        self.players.generator = generator or self.players.generator
        if published:
            network = Published(CLASSES).to(device)
            optimizer = torch.optim.Adam(network.parameters(), lr=1e-4, fused=True)
            self.players.discriminator = Player(
                name="discriminator", network=network, shared=network, optimizer=optimizer
            )
        self.objective = make_objective(config.loss, config.discriminator, device)
        self.update = UPDATES[config.run.updates]
        self.scene = set_scene(config, batch, 0, device)
        self.device = device
        self.seconds = []

    @property
    def parameters(self):
        return sum(weight.numel() for weight in self.players.discriminator.network.parameters())

    def step(self):
        started = self._now()
        self.update(self.players, self.objective, self.scene)
        self.seconds.append(self._now() - started)

    def _now(self):
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
            return time.perf_counter()
        return time.process_time()


def contenders(given, device):
    batch = phantom_batch(given.tiles, given.side)
    base = TrainConfig(
        data=DataConfig(shards=Path("none"), global_batch=given.tiles),
        generator=GeneratorConfig(base_channels=given.channels),
        optimizer=OptimizerConfig(generator_lr=1e-4),
    )
    made, generator = {}, None
    for name, channels, layers, updates in (
        ("published", 32, 4, "alternating"),
        ("ours, 32 channels, 4 halvings", 32, 4, "simultaneous"),
        ("ours, 64 channels, 5 halvings", 64, 5, "simultaneous"),
    ):
        for precision in ("float32", "bfloat16"):
            config = replace(
                base,
                discriminator=DiscriminatorConfig(
                    kind="unet", base_channels=channels, layers=layers
                ),
                run=RunConfig(precision=precision, updates=updates),
            )
            contender = Contender(config, batch, device, generator, published=name == "published")
            generator = contender.players.generator
            made[f"{name}, {precision}"] = contender
    return made


def phantom_batch(tiles, side):
    pairs = [render_phantom(0, index, side) for index in range(tiles)]
    return Batch(
        number=0,
        tiles_NCHW=torch.stack([torch.from_numpy(tile) for tile, _ in pairs]).permute(0, 3, 1, 2),
        labels_NHW=torch.stack([torch.from_numpy(labels) for _, labels in pairs]),
        positions_N=torch.arange(tiles),
        keys=[],
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--tiles", type=int, default=2)
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--channels", type=int, default=64, help="of the generator")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    device = torch.device(given.device)

    made = contenders(given, device)
    for round_number in range(given.repeats + 1):
        for contender in made.values():
            contender.step()
            if round_number == 0:
                contender.seconds.clear()  # the first one warms up
    reference = statistics.median(made["published, float32"].seconds)
    rows = []
    print(f"{'discriminator':48} {'parameters':>11} {'seconds':>8} {'ratio':>6}")
    for name, contender in made.items():
        seconds = statistics.median(contender.seconds)
        rows.append({"name": name, "seconds": seconds, "ratio": reference / seconds})
        print(f"{name:48} {contender.parameters:>11,} {seconds:8.2f} {reference / seconds:6.1f}")
    if given.json is not None:
        write_json(given.json, {"device": given.device, "rows": rows})


if __name__ == "__main__":
    main()
