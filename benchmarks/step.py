"""A full training step: ours against one computed as the papers describe it, in turns.

    python benchmarks/step.py [--channels 32 64] [--real GLAS/labels:prostate-3-4] [--threads 2]
    python benchmarks/step.py --device cuda --size 256 512 --channels 64

Two tiles a step. `plain` is the step of benchmarks/plain.py in float32; `dense` is ours with γ and
β computed for every pixel; `fast` computes them for distinct label neighbourhoods; `class table`
looks them up. Every way plays hinge loss with feature matching, five scales of the generator and
two of the discriminator. `pixel noise` adds noise at each resolution, `recompute` keeps no features
within blocks, `compile` compiles the discriminator (run.compile), `as PyTorch does` leaves
gradients of convolutions to PyTorch and the choice of tables to what was fitted elsewhere; all
others compute in the ways that are fastest here (run.convolutions, channels_last, tables_below).
`--layout paper` has the original's networks, with the same losses.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, cast

import torch
from network_costs import REFERENCE, Case, options, print_table
from plain import PlainStep

from histosyn.config.file import from_dict
from histosyn.config.train import TrainConfig
from histosyn.networks.convolutions import computed_as
from histosyn.networks.cpu_choice import Choice, fastest
from histosyn.networks.modulation import tables_below
from histosyn.networks.noise import draw_noise
from histosyn.training.adversaries import Adversaries
from histosyn.training.objectives import make_objective
from histosyn.training.step_inputs import StepInputs, arranged
from histosyn.training.updates import UPDATES

BATCH = 2
RUN_FIELDS, NETWORK_FIELDS = (
    ("precision", "compile", "convolutions", "channels_last", "tables_below"),
    ("modulation", "recompute", "pixel_noise"),
)
AS_PYTORCH = asdict(Choice(convolutions="plain", channels_last=True))
WAYS: dict[str, dict[str, Any]] = {
    "dense float32": {"precision": "float32"},
    "fast float32": {"precision": "float32"},
    "fast float32, as PyTorch does": {"precision": "float32"} | AS_PYTORCH,
    "dense bfloat16": {"precision": "bfloat16"},
    "fast bfloat16": {"precision": "bfloat16"},
    "fast bfloat16, as PyTorch does": {"precision": "bfloat16"} | AS_PYTORCH,
    "class table bfloat16": {"precision": "bfloat16", "modulation": "class_table"},
    "fast bfloat16, pixel noise": {"precision": "bfloat16", "pixel_noise": True},
    "fast bfloat16, recompute": {"precision": "bfloat16", "recompute": True},
    "fast bfloat16, compile": {"precision": "bfloat16", "compile": True},
}


def main() -> None:
    print_table(make_step, options(__doc__, WAYS, size=256), BATCH)


def make_step(case: Case, device: torch.device) -> Callable[[], object]:
    """What one training step of this way does."""
    case.prepare()
    config, size = config_of(case, device), case.size
    labels = case.labels(BATCH, device)
    tiles = torch.rand(BATCH, 3, size, size, device=device) * 2 - 1
    if case.way == REFERENCE:
        noise = draw_noise([1, 2], config.generator, size, size, device).entry
        plain = PlainStep(config.generator, config.discriminator, case.classes, device)
        return functools.partial(plain, labels, tiles, noise)
    adversaries = Adversaries(config, case.classes, device)
    objective = make_objective(config.loss, config.discriminator, device)
    inputs = StepInputs(
        config=config,
        step=0,
        positions=(0, 1),
        labels_NHW=labels,
        tiles_NCHW=arranged(tiles, config),
    )
    run = config.run
    below = 1.0 if run.tables_below is None else run.tables_below

    def step() -> None:
        with computed_as(cast(Any, run.convolutions)), tables_below(below):
            UPDATES[config.run.updates](adversaries, objective, inputs)

    return step


def config_of(case: Case, device: torch.device) -> TrainConfig:
    """What the way's fields say, each in its section, and what is fastest for the rest."""
    given = WAYS.get(case.way, {})
    run = {name: value for name, value in given.items() if name in RUN_FIELDS}
    if device.type == "cpu" and case.way != REFERENCE:
        run = asdict(fastest(run["precision"])) | run
    generator = {name: value for name, value in given.items() if name in NETWORK_FIELDS}
    sections = case.settings(**generator)
    sections["data"] = {"shards": "none", "global_batch": BATCH}
    sections["run"] = run
    return from_dict(TrainConfig, sections, case.way)


if __name__ == "__main__":
    main()
