"""The generator's forward and backward pass: ours against the plain form, in turns.

    python benchmarks/generator.py [--channels 32 64] [--real GLAS/labels:prostate-3-4]
    python benchmarks/generator.py --device cuda --size 256 512 --channels 64

Two tiles, in training mode; the ways are those of benchmarks/step.py. Gradients reach the weights,
as they do in a step.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch
from network_costs import REFERENCE, Case, options, print_table
from plain import PlainGenerator
from step import BATCH, WAYS, config_of

from histosyn.config.train import TrainConfig
from histosyn.networks.generator import Generator
from histosyn.training.step_inputs import autocast, keyed_noise

# A compiled discriminator is none of its business.
OURS = {way: fields for way, fields in WAYS.items() if "compile" not in fields}


def main() -> None:
    print_table(make_pass, options(__doc__, OURS, size=256), BATCH)


def make_pass(case: Case, device: torch.device) -> Callable[[], object]:
    case.prepare()
    config = config_of(case)
    labels = case.labels(BATCH, device)
    noise = keyed_noise(config, labels.shape[1:], range(BATCH), device)
    if case.way == REFERENCE:
        plain = PlainGenerator(config.generator, case.classes).to(device)
        return functools.partial(there_and_back, plain, config, labels, noise.entry)
    network = Generator(config.generator, case.classes).to(device)
    return functools.partial(there_and_back, network, config, labels, noise)


def there_and_back(network: torch.nn.Module, config: TrainConfig, *inputs: object) -> None:
    network.zero_grad(set_to_none=True)
    with autocast(config, next(network.parameters()).device):
        loss = network(*inputs).float().square().mean()
    loss.backward()


if __name__ == "__main__":
    main()
