"""What a step with a discriminator of pixels costs, against the published layout of one.

    python benchmarks/discriminator.py [--device cuda] [--tiles 2] [--size 256]

The published layout (Schönfeld et al. 2021: six residual blocks down, six up, 128 channels
at full resolution) is built here for its sizes alone, in the published order: a forward of the
generator and one of the discriminator for each network's update. Ours:
`histosyn.training.updates.simultaneous` with `UnetDiscriminator`. The generator is ours everywhere,
so that a difference is the discriminator's and the order's. Each ratio is against the published one
in float32, and in the same precision.
"""

from __future__ import annotations

import argparse
import functools
import itertools
from collections.abc import Callable
from dataclasses import dataclass

import torch
from label_maps import label_maps
from torch import nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm
from turns import take_turns

from histosyn.config.file import from_dict
from histosyn.config.train import TrainConfig
from histosyn.training.adversaries import DISCRIMINATORS, Adversaries
from histosyn.training.objectives import make_objective
from histosyn.training.step_inputs import StepInputs, arranged
from histosyn.training.updates import UPDATES

CLASSES = 4
PRECISIONS = ("float32", "bfloat16")


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


@dataclass(frozen=True, kw_only=True)
class Contender:
    """A discriminator and an order of updates; no channels of our own: the published layout."""

    channels: int | None
    halvings: int = 4

    def config(self, generator_channels: int, tiles: int, precision: str) -> TrainConfig:
        discriminator = {"kind": "unet", "layers": self.halvings}
        if self.channels:
            discriminator["base_channels"] = self.channels
        updates = "simultaneous" if self.channels else "alternating"
        sections = {
            "data": {"shards": "none", "global_batch": tiles},
            "generator": {"base_channels": generator_channels},
            "discriminator": discriminator,
            "run": {"precision": precision, "updates": updates},
        }
        return from_dict(TrainConfig, sections, "contender")


CONTENDERS = {
    "published": Contender(channels=None),
    "ours, 32 channels, 4 halvings": Contender(channels=32),
    "ours, 64 channels, 5 halvings": Contender(channels=64, halvings=5),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--tiles", type=int, default=2)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--channels", type=int, default=32, help="of the generator")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3, help="after the first, which warms up")
    given = parser.parse_args()
    ways = {
        f"{name}, {precision}": (name, precision, given)
        for name in CONTENDERS
        for precision in PRECISIONS
    }
    costs = take_turns(make_step, ways, given.device, given.rounds)
    head = ("discriminator", "parameters", "s", "ratio", "same precision", "peak MiB")
    print("| " + " | ".join(head) + " |\n" + "|---" * len(head) + "|")
    for way, cost in costs.items():
        name, precision, _ = ways[way]
        ratio, same = (
            costs[f"published, {other}"].seconds / cost.seconds for other in ("float32", precision)
        )
        cells = (way, f"{parameters(CONTENDERS[name]):,}", f"{cost.seconds:.3g}", f"{ratio:.1f}",
                 f"{same:.1f}", f"{cost.peak_mib:.0f}")  # fmt: skip
        print("| " + " | ".join(cells) + " |")


def make_step(
    name: str, precision: str, given: argparse.Namespace, device: torch.device
) -> Callable[[], object]:
    """What one training step against this discriminator does."""
    torch.set_num_threads(given.threads)
    contender = CONTENDERS[name]
    config = contender.config(given.channels, given.tiles, precision)
    if contender.channels is None:
        DISCRIMINATORS["unet"] = lambda _, classes: Published(classes)
    adversaries = Adversaries(config, CLASSES, device)
    objective = make_objective(config.loss, config.discriminator, device)
    torch.manual_seed(0)
    tiles = torch.rand(given.tiles, 3, given.size, given.size, device=device) * 2 - 1
    inputs = StepInputs(
        config=config,
        step=0,
        positions=tuple(range(given.tiles)),
        labels_NHW=label_maps("nuclei", CLASSES, given.tiles, given.size).to(device),
        tiles_NCHW=arranged(tiles, config),
    )
    return functools.partial(UPDATES[config.run.updates], adversaries, objective, inputs)


def parameters(contender: Contender) -> int:
    if contender.channels is None:
        network = Published(CLASSES)
    else:
        config = contender.config(1, 1, "float32")
        network = DISCRIMINATORS["unet"](config.discriminator, CLASSES)
    return sum(weight.numel() for weight in network.parameters())


if __name__ == "__main__":
    main()
