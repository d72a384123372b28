"""Generators with random weights, ready for synthesis, and label maps for them."""

from __future__ import annotations

from functools import cache
from typing import get_args

import numpy as np
import torch
from inference import folded
from label_maps import label_maps

from gpu_parts.bench import Bench
from histosyn.config.networks import GeneratorConfig
from histosyn.labels.schema import load_schema
from histosyn.models.facts import ModelFacts
from histosyn.models.folder import Model
from histosyn.networks.generator import Generator
from histosyn.networks.inference import Precision, made_ready
from histosyn.phantom import SCHEMA
from histosyn.stain.names import NAMES
from histosyn.stain.seen import SeenStains

# Drawn once, and put together for larger maps.
_DRAWN = 512


def random_model(
    bench: Bench, channels: int, precision: Precision, device: torch.device, **generator: object
) -> Model:
    """The same weights every time; with the stains of two tiles, if it takes any."""
    config = generator_config(bench, channels, **generator)
    schema = load_schema(SCHEMA)
    torch.manual_seed(0)
    network = folded(Generator(config, len(schema))).to(device)
    stains = SeenStains(codes_MS=np.full((2, len(NAMES)), 0.5), groups=(None, None))
    facts = ModelFacts(
        generator=config, schema=schema, tile_size=(bench.scale.small_size,) * 2, mpp=None,
        training={}, stains=stains if config.stain else SeenStains(),
    )  # fmt: skip
    return Model(network=made_ready(network, precision), facts=facts, sha256="random",
                 precision=precision)  # fmt: skip


def precisions_of_models(bench: Bench) -> list[Precision]:
    """Those that models are computed in."""
    return [precision for precision in get_args(Precision) if precision in bench.scale.precisions]


def generator_config(bench: Bench, channels: int, **generator: object) -> GeneratorConfig:
    """The default one of this scale, with so many channels."""
    given = {"base_channels": channels} | dict(bench.scale.networks.get("generator", {}))
    return GeneratorConfig(**(given | generator))  # type: ignore[arg-type]


@cache
def labels_for(size: int, classes: int = 4) -> np.ndarray:
    """A label map (size, size) of nuclei-rich tissue, uint8; large ones repeat, mirrored."""
    side = min(size, _DRAWN)
    # Phantoms have sides of whole strides.
    drawn = -(-side // 32) * 32
    one = label_maps("nuclei", classes, 1, drawn)[0].numpy().astype(np.uint8)
    pair = np.block([[one, one[:, ::-1]], [one[::-1], one[::-1, ::-1]]])
    times = -(-size // pair.shape[0])
    return np.ascontiguousarray(np.tile(pair, (times, times))[:size, :size])
