"""What a step exchanges between ranks: how many collectives, and how many bytes.

docs/scaling.md reckons with the formulas that are held to here.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from ranks import run_ranks
from tissue import tiny_config
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from histosyn.config.networks import GeneratorConfig
from histosyn.config.train import TrainConfig
from histosyn.networks.generator import block_widths
from histosyn.shards.batch import Batch
from histosyn.training.adversaries import Adversaries
from histosyn.training.trainer import Trainer
from hpc.collectives import DelayedMaximum, rank

CPU, CLASSES = torch.device("cpu"), 4
CONFIG = tiny_config(Path("none"), Path("none"), precision="float32")
# In the second step DistributedDataParallel says once how gradients are put into buckets.
STEPS = 3

Exchanged = dict[str, list[int]]


class Collectives(TorchDispatchMode):
    """What collectives this rank takes part in, those of DistributedDataParallel too, and how many
    bytes it gives to each."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes_given: Exchanged = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.namespace == "c10d":
            name = func._schema.name.removeprefix("c10d::").rstrip("_")
            # Where all ranks' parts are put stands before what this one gives.
            given = tree_leaves(args[1] if name == "allgather" else args[0])
            size = sum(leaf.nbytes for leaf in given if isinstance(leaf, torch.Tensor))
            self.bytes_given.setdefault(name, []).append(size)
        return func(*args, **(kwargs or {}))


def batch_of_a_rank() -> Batch:
    random = torch.Generator().manual_seed(rank())
    return Batch(
        number=0,
        tiles_NCHW=torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8, generator=random),
        labels_NHW=torch.randint(0, CLASSES, (2, 64, 64), dtype=torch.uint8, generator=random),
        positions_N=torch.arange(2) + 2 * rank(),
        keys=["a", "b"],
    )


def exchanged_on_a_rank(configs: list[TrainConfig]) -> list[Exchanged]:
    """In one step of each, once all are under way."""
    found = []
    for config in configs:
        trainer = Trainer(config, None, Adversaries(config, CLASSES, CPU), CPU)  # type: ignore[arg-type]
        stop = DelayedMaximum(CPU)
        for _ in range(STEPS):
            with Collectives() as counted:
                trainer.take_step(batch_of_a_rank())
                trainer.step += 1
                stop(0)
            stop.wait()
        found.append(counted.bytes_given)
    return found


def expected(config: TrainConfig, forwards: int) -> Exchanged:
    """By the formulas, sorted by size."""
    outer = block_widths(config.generator)
    inner = [outer[0], *outer[:-1]]
    # A block normalizes what it gets and what is between its convolutions.
    normalized = [
        width for pair in zip(inner, outer, strict=True) for width in (pair[0], min(pair))
    ]
    shortcuts = [one for one, other in zip(inner, outer, strict=True) if one != other]
    networks = Adversaries(config, CLASSES, CPU).networks.values()
    gradients = [sum(weight.nbytes for weight in network.parameters()) for network in networks]
    return {
        "allgather": sorted(4 * (1 + 2 * width) for width in normalized * forwards),
        "allreduce": sorted([8 * width for width in normalized + shortcuts] + [*gradients, 8]),
    }


def test_a_step_exchanges_gradients_batch_statistics_and_the_request_to_stop() -> None:
    alternating = replace(CONFIG, run=replace(CONFIG.run, updates="alternating"))
    both = [expected(CONFIG, forwards=1), expected(alternating, forwards=2)]
    for found in run_ranks(2, exchanged_on_a_rank, [CONFIG, alternating]):
        assert [{name: sorted(sizes) for name, sizes in of.items()} for of in found] == both


def test_the_default_generator_has_28_small_collectives() -> None:
    widths = block_widths(GeneratorConfig())
    levels, shortcuts = len(widths), sum(one != other for one, other in pairwise(widths))
    assert (levels, shortcuts, 4 * levels + shortcuts) == (6, 4, 28)
