"""A full training step: ours against one computed as the papers describe it, in turns.

    python benchmarks/step.py [--channels 32 64] [--real GLAS/labels:prostate-3] [--threads 2]
    python benchmarks/step.py --device cuda --size 256 512 --channels 64

Two tiles a step. `plain` is the step of benchmarks/plain.py in float32; `dense` is ours with γ and
β computed for every pixel; `fast` computes them for distinct label neighbourhoods; `class table`
looks them up. Every way plays hinge loss with feature matching, five scales of the generator and
two of the discriminator. The last column is the share of distinct 3x3 and 5x5 neighbourhoods among
the pixels of each resolution, coarsest first.
"""

from __future__ import annotations

import argparse
import functools
import itertools
from collections.abc import Callable
from pathlib import Path

import torch
from label_maps import label_maps
from plain import PlainStep
from turns import Cost, take_turns

from histosyn.config import (
    DataConfig,
    DiscriminatorConfig,
    GeneratorConfig,
    RunConfig,
    TrainConfig,
)
from histosyn.networks import modulation
from histosyn.networks.noise import draw_noise
from histosyn.networks.patterns import LabelPyramid
from histosyn.objectives import make_objective
from histosyn.players import Players
from histosyn.scene import Scene, arranged
from histosyn.updates import UPDATES

BATCH = 2
SCENES = (("nuclei", 4), ("nuclei", 11), ("regions", 4), ("noise", 4))
REFERENCE = "plain float32"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--channels", type=int, nargs="+", default=[32, 64])
    parser.add_argument("--size", type=int, nargs="+", default=[256])
    parser.add_argument("--real", nargs="*", default=[], metavar="FOLDER:SCHEMA")
    parser.add_argument("--scenes", nargs="*", default=[f"{kind}-{k}" for kind, k in SCENES])
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=list(WAYS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    given = parser.parse_args()
    scenes = [(kind, int(classes)) for kind, classes in (s.rsplit("-", 1) for s in given.scenes)]
    scenes += [(real, 11) for real in given.real]
    print("| label maps | channels | size | way | s | ratio | peak MiB | distinct 3x3, 5x5 |")
    print("|---|---|---|---|---|---|---|---|")
    for channels, size, (kind, classes) in itertools.product(given.channels, given.size, scenes):
        ways = {
            way: (way, channels, size, kind, classes, given.threads)
            for way in (REFERENCE, *given.ways)
        }
        costs = take_turns(make_step, ways, given.device, given.rounds)
        name = Path(kind.split(":")[0]).parent.name if ":" in kind else kind
        rows = [f"{name}, {classes} classes", channels, size]
        report(rows, costs, shares(label_maps(kind, classes, BATCH, size), classes))


def report(facts: list[object], costs: dict[str, Cost], shares: str) -> None:
    reference = costs[REFERENCE].seconds
    for way, cost in costs.items():
        cells = [*facts, way, f"{cost.seconds:.2f}", f"{reference / cost.seconds:.1f}",
                 f"{cost.peak_mib:.0f}", shares]  # fmt: skip
        print("| " + " | ".join(map(str, cells)) + " |", flush=True)
        facts, shares = [""] * len(facts), ""


def shares(labels: torch.Tensor, classes: int) -> str:
    levels = LabelPyramid(labels, GeneratorConfig().stride, classes).levels
    small, large = zip(*(level.patterns.shares for level in levels), strict=True)
    return ", ".join(" ".join(f"{share:.2f}" for share in of_all) for of_all in (small, large))


def make_step(
    way: str, channels: int, size: int, kind: str, classes: int, threads: int, device: torch.device
) -> Callable[[], object]:
    """What one training step of this way does."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    labels = label_maps(kind, classes, BATCH, size).to(device)
    tiles = torch.rand(BATCH, 3, size, size, device=device) * 2 - 1
    networks = (
        GeneratorConfig(base_channels=channels),
        DiscriminatorConfig(base_channels=channels),
    )
    if way == REFERENCE:
        noise = draw_noise([1, 2], networks[0], size, size, device).entry
        return functools.partial(PlainStep(*networks, classes, device), labels, tiles, noise)
    settings = WAYS[way]
    if settings.get("dense"):
        modulation.Spade.repeats_enough = lambda *_: False  # type: ignore[method-assign]
    config = TrainConfig(
        data=DataConfig(shards=Path("none"), global_batch=BATCH),
        generator=GeneratorConfig(
            base_channels=channels,
            modulation=settings.get("modulation", "spade"),
            recompute=settings.get("recompute", False),
        ),
        discriminator=networks[1],
        run=RunConfig(precision=settings["precision"], compile=settings.get("compile", False)),
    )
    players = Players(config, classes, device)
    objective = make_objective(config.loss, config.discriminator, device)
    scene = Scene(
        config=config,
        step=0,
        positions=(0, 1),
        labels_NHW=labels,
        tiles_NCHW=arranged(tiles, config),
    )
    return functools.partial(UPDATES["simultaneous"], players, objective, scene)


WAYS: dict[str, dict] = {
    "dense float32": {"precision": "float32", "dense": True},
    "fast float32": {"precision": "float32"},
    "dense bfloat16": {"precision": "bfloat16", "dense": True},
    "fast bfloat16": {"precision": "bfloat16"},
    "class table bfloat16": {"precision": "bfloat16", "modulation": "class_table"},
    "fast bfloat16, recompute": {"precision": "bfloat16", "recompute": True},
    "fast bfloat16, compile": {"precision": "bfloat16", "compile": True},
}


if __name__ == "__main__":
    main()
