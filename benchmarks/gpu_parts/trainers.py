"""Trainers of given networks on the data set, and batches for them, without a run around them."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

import torch

from gpu_parts.bench import Bench
from histosyn.config.file import from_dict
from histosyn.config.train import TrainConfig
from histosyn.shards.batch import Batch
from histosyn.shards.stream import ShardStream
from histosyn.training.adversaries import Adversaries
from histosyn.training.data import open_stream, stains_of_shards
from histosyn.training.trainer import Trainer
from hpc.topology import Topology

# The function of the papers, which plain.py computes as well.
AS_PUBLISHED: dict[str, dict[str, Any]] = {
    "generator": {"pixel_noise": False, "upsampling": "nearest", "border": "zeros", "stain": False},
    "discriminator": {"pretrained": "none"},
}
Settings = dict[str, dict[str, Any]]


def config_for(
    bench: Bench, *, size: int, batch: int, channels: int | None = None,
    settings: Settings | None = None, folder: Path | None = None, **run: Any,
) -> TrainConfig:  # fmt: skip
    """The defaults, with networks of so many channels, under `settings` and those of the run."""
    sections: Settings = {"data": {"shards": bench.shards, "global_batch": batch, "crop": size,
                                   "workers": 0}}  # fmt: skip
    if channels is not None:
        for network in ("generator", "discriminator"):
            sections[network] = {"base_channels": channels}
    for given in (bench.scale.networks, settings or {}):
        for name, values in given.items():
            sections[name] = sections.get(name, {}) | dict(values)
    sections["run"] = sections.get("run", {}) | run
    sections["run"] |= {"folder": folder or bench.folder / "unused", "device": bench.device.type}
    return from_dict(TrainConfig, sections, "benchmarks/gpu.py")


def stream_of(config: TrainConfig, device: torch.device | None = None) -> ShardStream:
    """What it is trained on; for a device, with the tables of its label maps."""
    return open_stream(config, Topology(), device)


def trainer_of(config: TrainConfig, device: torch.device) -> Trainer:
    """At its first step, with the weights that the seed decides."""
    stream = stream_of(config, device)
    adversaries = Adversaries(config, len(stream.index.schema), device)
    if config.generator.stain:
        adversaries.standardize_stains(stains_of_shards(stream.reader))
    return Trainer(config, stream, adversaries, device)


def batches_of(stream: ShardStream, count: int) -> list[Batch]:
    """Its first batches, as the loader hands them over."""
    return list(islice(stream.batches(), count))


def step_of(trainer: Trainer, batches: list[Batch]) -> Any:
    """A function that takes the next step, on these batches in turn."""

    def step() -> None:
        trainer.take_step(batches[trainer.step % len(batches)])
        trainer.step += 1

    return step
