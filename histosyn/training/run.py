"""Training a generator: what a resumable run is to train, and what happens beside its steps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from histosyn.config.train import TrainConfig
from histosyn.models.facts import ModelFacts, model_facts
from histosyn.models.folder import save_model
from histosyn.networks.discriminator_grain import LEAST_SIDE
from histosyn.pretrained.packages import Pretrained, pretrained_facts
from histosyn.shards.index import DatasetIndex
from histosyn.stain.seen import SeenStains
from histosyn.training.adversaries import Adversaries
from histosyn.training.data import (
    objects_of_shards,
    open_stream,
    stage_shards,
    stains_of_shards,
)
from histosyn.training.diagnostics import WarnOfSaturation
from histosyn.training.fork import take_over_networks
from histosyn.training.recalibration import Recalibration
from histosyn.training.resumable import run_resumable
from histosyn.training.sample_grid import DrawSamples, SampleGrid
from histosyn.training.steps import Observer, require_finite_weights
from histosyn.training.trainer import Trainer
from hpc.deferred_writes import DeferredWrites
from hpc.errors import ConfigError
from hpc.preemption import StopRequest
from hpc.topology import Topology

_LEAST_FEATURE_PIXELS = 2
MakeObserver = Callable[[TrainConfig, Topology], Observer[Trainer]]


def run_training(
    config: TrainConfig,
    extra_observers: tuple[MakeObserver, ...] = (),
    stop: StopRequest | None = None,
) -> Path:
    """Train a generator, or go on from the newest valid checkpoint of the run's folder.

    Returns the path of its model; what it writes and raises is that of `run_resumable`.
    `extra_observers` are handed in from the floors above: an evaluation now and then, for one, is
    an observer with the `interval` it is due at, which looks at `trainer.averaged_generator()`.
    """
    return run_resumable(
        config,
        GeneratorTraining,
        extra_observers=lambda topology: tuple(make(config, topology) for make in extra_observers),
        stop=stop,
    )


class GeneratorTraining:
    """The adversarial training of generator and discriminator, as a `Training`."""

    def __init__(self, config: TrainConfig, topology: Topology, device: torch.device) -> None:
        self.config = config
        self.topology = topology
        stream = open_stream(config, topology, device)
        _check_tiles(config, stream.index)
        adversaries = Adversaries(config, len(stream.index.schema), device)
        self._stains = SeenStains()
        if config.generator.stain:
            self._stains = stains_of_shards(stream.reader)
            adversaries.standardize_stains(self._stains)
        recalibration = Recalibration(config, stream.reader, topology, device)
        self.trainer = Trainer(config, stream, adversaries, device, recalibration)
        self.new_run = (
            f"a new run with another --run.folder; with --fork {config.run.folder} it starts from "
            "the weights of this one"
        )
        self._objects = objects_of_shards(stream.reader) if topology.is_first else {}
        # Which checkpoint of another run this one was forked from, if any.
        self._origin: dict[str, Any] | None = None

    def begin(self) -> bool:
        """Take over the networks of the run to fork from, if any.

        The new run then starts from a checkpoint of its own: it may be killed before it has
        written another, and the old run may have gone on, or be gone, by then.
        """
        fork = self.config.run.fork
        if fork is not None:
            self._origin = take_over_networks(self.trainer, fork)
        return fork is not None

    def load(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.trainer.load(state["trainer"])
        self._origin = state["model"]["training"].get("forked_from")

    def facts(self) -> dict[str, Any]:
        """What is to be known of the generator at this step."""
        return self._facts().as_dict()

    def comment(self) -> str:
        """Where a forked run comes from."""
        if self._origin is None:
            return ""
        return "# run.fork was step {step} at {path}, sha256 {sha256}\n".format(**self._origin)

    def stage(self, steps: range) -> None:
        """Copy the shards of these steps to the node's disk, if that is configured."""
        stage_shards(self.config.data, self.trainer.stream, steps, self.topology)

    def observers(self, deferred_writes: DeferredWrites) -> tuple[Observer[Trainer], ...]:
        """Sample grids, a watch."""
        data, run = self.config.data, self.config.run
        grid = SampleGrid(
            self.trainer.stream.reader,
            seed=run.seed,
            crop=data.crop,
            skip_bad=data.on_bad_sample == "skip",
        )
        return (
            DrawSamples(grid, run.folder, deferred_writes, self.topology, run.sample_every),
            *([WarnOfSaturation(run.report_every)] if self.topology.is_first else []),
        )

    def prepare(self) -> None:
        """Count the statistics of the moving average, on all ranks."""
        self.trainer.averaged_generator()

    @property
    def prepared(self) -> bool:
        """Whether the moving average has them."""
        return self.trainer.average_is_ready

    def require_finite_weights(self) -> None:
        """Of both networks."""
        require_finite_weights(self.trainer.adversaries.networks, self.trainer.step)

    def ship(self, folder: Path) -> None:
        """Write the moving average as a model folder."""
        save_model(folder, self.trainer.adversaries.ema.network, self._facts())

    def _facts(self) -> ModelFacts:
        trainer = self.trainer
        return model_facts(
            self.config,
            trainer.stream.index,
            trainer.step,
            forked_from=self._origin,
            objects=self._objects,
            stains=self._stains,
            frozen_networks=frozen_networks(self.config),
        )


def frozen_networks(config: TrainConfig) -> list[Pretrained]:
    """The networks of others by whose features a generator is trained."""
    names = {config.discriminator.frozen_network, config.loss.frozen_network}
    return [pretrained_facts(name) for name in sorted(filter(None, names))]


def _check_tiles(config: TrainConfig, index: DatasetIndex) -> None:
    """Raise ConfigError unless both networks can do with tiles of this size."""
    sides = (config.data.crop,) * 2 if config.data.crop else index.tile_size
    fixed = config.generator.fixed_side
    if fixed is not None and sides != (fixed, fixed):
        raise ConfigError(
            f"generator.grid_size = {config.generator.grid_size} with generator.upsamplings = "
            f"{config.generator.upsamplings} makes tiles of {fixed} pixels a side, but those to "
            f"train on have {'x'.join(map(str, sides))}. Choose another grid_size, or --data.crop."
        )
    discriminator = config.discriminator
    halvings = discriminator.layers
    if discriminator.kind == "patch":
        # Each further scale halves what the one before it saw; the last layer halves nothing.
        halvings += discriminator.scales - 2
    if min(sides) >> halvings < _LEAST_FEATURE_PIXELS:
        names = "layers" if discriminator.kind == "unet" else "scales and layers"
        raise ConfigError(
            f"discriminator.layers = {discriminator.layers} and discriminator.scales = "
            f"{discriminator.scales} halve tiles of {min(sides)} pixels {halvings} times, which "
            f"leaves nothing to judge. Lower {names}, or train on larger tiles."
        )
    if discriminator.kind == "patch" and discriminator.grain_channels and min(sides) < LEAST_SIDE:
        raise ConfigError(
            f"discriminator.grain_channels = {discriminator.grain_channels} asks for a judge of "
            f"{LEAST_SIDE} pixels a side, but tiles have {min(sides)}. Set it to 0, or train on "
            "larger tiles."
        )
