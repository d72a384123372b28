"""A full training step: ours against one computed as the papers describe it, in turns.

    python benchmarks/step.py [--channels 32 64] [--real GLAS/labels:prostate-3-4] [--threads 2]
    python benchmarks/step.py --device cuda --size 256 512 --channels 64

Two tiles a step. `plain` is the step of benchmarks/plain.py in float32; `dense` is ours with γ and
β computed for every pixel; `fast` computes them for distinct label neighbourhoods; `class table`
looks them up. Every way plays hinge loss with feature matching, five scales of the generator and
two of the discriminator. `pixel noise` adds noise at each resolution, `recompute` keeps no features
within blocks, `compile` compiles the discriminator (run.compile), `plain convolutions` leaves their
gradients to PyTorch (run.convolutions), where all others have the form that is fastest here.
`--layout paper` has the original's networks, with the same losses.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, cast

import torch
from network_costs import REFERENCE, Case, options, print_table
from plain import PlainStep

from histosyn.config.file import from_dict
from histosyn.config.train import TrainConfig
from histosyn.networks.convolution_choice import settled_form
from histosyn.networks.convolutions import computed_as
from histosyn.networks.noise import draw_noise
from histosyn.training.adversaries import Adversaries
from histosyn.training.objectives import make_objective
from histosyn.training.step_inputs import StepInputs, arranged
from histosyn.training.updates import UPDATES

BATCH = 2
RUN_FIELDS, NETWORK_FIELDS = (
    ("precision", "compile", "convolutions"),
    ("modulation", "recompute", "pixel_noise"),
)
WAYS: dict[str, dict[str, Any]] = {
    "dense float32": {"precision": "float32"},
    "fast float32": {"precision": "float32"},
    "fast float32, plain convolutions": {"precision": "float32", "convolutions": "plain"},
    "dense bfloat16": {"precision": "bfloat16"},
    "fast bfloat16": {"precision": "bfloat16"},
    "fast bfloat16, plain convolutions": {"precision": "bfloat16", "convolutions": "plain"},
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
    config, size = config_of(case), case.size
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
    form = settled_form(config.run.convolutions, device, cast(Any, config.run.precision))

    def step() -> None:
        with computed_as(cast(Any, form)):
            UPDATES[config.run.updates](adversaries, objective, inputs)

    return step


def config_of(case: Case) -> TrainConfig:
    """What the way's fields say, each in its section."""
    given = WAYS.get(case.way, {})
    named = {name: value for name, value in given.items() if name in RUN_FIELDS}
    run = {"convolutions": "auto"} | named
    generator = {name: value for name, value in given.items() if name in NETWORK_FIELDS}
    sections = case.settings(**generator)
    sections["data"] = {"shards": "none", "global_batch": BATCH}
    sections["run"] = run
    return from_dict(TrainConfig, sections, case.way)


if __name__ == "__main__":
    main()
