"""Synthesis of a tile: ours against the plain form, in turns.

    python benchmarks/inference.py [--channels 32 64] [--real GLAS/labels:prostate-3-4]
    python benchmarks/inference.py --device cuda --size 256 512 --channels 64

`plain` is the generator of benchmarks/plain.py in float32 and eval mode, without gradients. Ours
finds the distinct label neighbourhoods of every map anew. `agreement` compares ours with plain:
same weights, same noise, 8 channels.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from label_maps import label_maps
from network_costs import REFERENCE, Case, options, print_table
from plain import PlainGenerator
from torch.nn.utils import parametrize

from histosyn.config.networks import GeneratorConfig
from histosyn.networks.generator import Generator, draw_noise
from histosyn.networks.inference import made_ready

# Precision and modulation of each of our ways.
WAYS = {
    "dense float32": ("float32", "spade"),
    "fast float32": ("float32", "spade"),
    "dense bfloat16": ("bfloat16", "spade"),
    "fast bfloat16": ("bfloat16", "spade"),
    "class table bfloat16": ("bfloat16", "class_table"),
}


def main() -> None:
    given = options(__doc__, WAYS, size=512)
    print(f"agreement: {agreement():.1e}\n")
    print_table(make_synthesis, given, tiles=1)


def make_synthesis(case: Case, device: torch.device) -> Callable[[], object]:
    case.prepare()
    way, size, classes = case.way, case.size, case.classes
    precision, kind_of_modulation = WAYS.get(way, ("float32", "spade"))
    config = GeneratorConfig(**case.settings(modulation=kind_of_modulation)["generator"])
    labels = case.labels(1, device)
    noise = draw_noise([1], config, size, size, device)
    if way == REFERENCE:
        plain = folded(PlainGenerator(config, classes)).to(device)
        return lambda: inferred(plain, labels, noise.entry)
    network = made_ready(folded(Generator(config, classes)).to(device), precision)
    return lambda: inferred(network, labels, noise)


@torch.inference_mode()
def inferred(network: torch.nn.Module, *inputs: object) -> torch.Tensor:
    return network(*inputs)


def folded(network: torch.nn.Module) -> torch.nn.Module:
    network.eval()
    for module in network.modules():
        if parametrize.is_parametrized(module, "weight"):
            parametrize.remove_parametrizations(module, "weight", leave_parametrized=True)
    return network


def agreement() -> float:
    """The largest difference of a value in [-1, 1] between ours and the plain form, float32."""
    config = GeneratorConfig(base_channels=8, pixel_noise=False)
    labels = label_maps("nuclei", 4, 1, 128)
    noise = draw_noise([1], config, 128, 128, torch.device("cpu"))
    ours, plain = Generator(config, 4), PlainGenerator(config, 4)
    plain.load(ours.state_dict())
    tiles = inferred(made_ready(folded(ours)), labels, noise)
    return float((tiles - inferred(folded(plain), labels, noise.entry)).abs().max())


if __name__ == "__main__":
    main()
