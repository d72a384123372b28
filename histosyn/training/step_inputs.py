"""The inputs of both networks in a step, on the device, and the step's random numbers."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch

from histosyn.config.train import TrainConfig
from histosyn.networks.noise import Noise, draw_noise
from histosyn.shards.batch import Batch
from histosyn.stain.code import stain_code
from histosyn.training.pixel_losses import mix_regions
from hpc.device_copies import CopyStream, sent
from hpc.packed_integers import PackedIntegers
from hpc.randomness import key_of


@dataclass(frozen=True, kw_only=True)
class StepInputs:
    """`labels_NHW` int64 and `tiles_NCHW` float in [-1, 1] of this rank's part of a global batch.

    `positions` say where in the global batch its samples stand: random numbers are keyed by that.
    `tables` is what was found in the label maps for the generator (see `LabelTables`), if it was.
    `drawn` is the generator's noise, without a stain, if it was drawn before.
    """

    config: TrainConfig
    step: int
    positions: tuple[int, ...]
    labels_NHW: torch.Tensor
    tiles_NCHW: torch.Tensor
    tables: PackedIntegers | None = None
    drawn: Noise | None = None

    def noise(self, purpose: str) -> Noise:
        """The generator's noise, another for each `purpose`, with the stain of the real tiles."""
        noise = self.drawn
        if noise is None:
            at = (self.step, self.positions, self.labels_NHW)
            noise = step_noise(self.config, purpose, *at)
        return replace(noise, stain=self.stains)

    @cached_property
    def stains(self) -> torch.Tensor | None:
        """The stain codes of the real tiles, for a generator that takes them."""
        return stain_code(self.tiles_NCHW.detach()) if self.config.generator.stain else None

    def regions(self, classes: int) -> torch.Tensor:
        """(N, H, W): where a mixed tile is to be real."""
        return mix_regions(self.labels_NHW, classes, self._keys("label mix"))

    def _keys(self, purpose: str) -> list[int]:
        return position_keys(self.config, purpose, self.step, self.positions)


@dataclass(frozen=True, kw_only=True, eq=False)
class Arrived:
    """A batch on the device, in bytes still."""

    positions: tuple[int, ...]
    tiles_uint8: torch.Tensor
    labels_uint8: torch.Tensor
    tables: PackedIntegers | None = None

    @property
    def tensors(self) -> list[torch.Tensor]:
        """All that differs from batch to batch."""
        numbers = [] if self.tables is None else [self.tables.numbers]
        return [self.tiles_uint8, self.labels_uint8, *numbers]

    def clone(self) -> Arrived:
        """In memory of its own."""
        tables = self.tables
        return replace(
            self,
            tiles_uint8=self.tiles_uint8.clone(),
            labels_uint8=self.labels_uint8.clone(),
            tables=None if tables is None else replace(tables, numbers=tables.numbers.clone()),
        )


def make_step_inputs(
    config: TrainConfig,
    batch: Batch,
    step: int,
    device: torch.device,
    copies: CopyStream | None = None,
) -> StepInputs:
    """`step_inputs` of a batch that is on the host."""
    return step_inputs(config, moved(batch, device, copies), step)


def moved(batch: Batch, device: torch.device, copies: CopyStream | None = None) -> Arrived:
    """Move a batch to the device; with `copies` beside the step before, if that still runs."""
    copies = copies or CopyStream(device)
    with copies.beside():
        tiles_uint8, labels_uint8 = sent(batch.tiles_NCHW, device), sent(batch.labels_NHW, device)
        tables = None if batch.tables is None else batch.tables.to(device)
    arrived = Arrived(
        positions=tuple(batch.positions_N.tolist()),
        tiles_uint8=tiles_uint8,
        labels_uint8=labels_uint8,
        tables=tables,
    )
    copies.arrived(arrived.tensors)
    return arrived


def step_inputs(config: TrainConfig, arrived: Arrived, step: int) -> StepInputs:
    """What networks take: on the device bytes grow to numbers."""
    return StepInputs(
        config=config,
        step=step,
        positions=arrived.positions,
        labels_NHW=arrived.labels_uint8.long(),
        tiles_NCHW=arranged(to_float(arrived.tiles_uint8, config), config),
        tables=arrived.tables,
    )


def to_float(tiles_uint8: torch.Tensor, config: TrainConfig) -> torch.Tensor:
    """Tiles in [-1, 1] in the weights' precision."""
    return tiles_uint8.to(dtype_of(config)) / 127.5 - 1


def position_keys(
    config: TrainConfig, purpose: str, number: int, positions: Sequence[int]
) -> list[int]:
    """The keys of the random numbers of batch `number`, on whichever rank its samples are."""
    return [key_of(config.run.seed, purpose, number, position) for position in positions]


def step_noise(
    config: TrainConfig,
    purpose: str,
    step: int,
    positions: Sequence[int],
    labels_NHW: torch.Tensor,
) -> Noise:
    """The noise of a step for label maps of this size, on their device; without a stain."""
    keys = position_keys(config, purpose, step, positions)
    return keyed_noise(config, labels_NHW.shape[1:], keys, labels_NHW.device)


def keyed_noise(
    config: TrainConfig, size: Sequence[int], keys: Sequence[int], device: torch.device
) -> Noise:
    """Noise for label maps of this height and width, one key each, in the weights' precision."""
    noise = draw_noise(keys, config.generator, size[0], size[1], device)
    noise = noise.to(dtype_of(config))
    return replace(noise, entry=arranged(noise.entry, config))


def dtype_of(config: TrainConfig) -> torch.dtype:
    """Of weights and tiles; mixed precision decides about the rest by itself."""
    return torch.float64 if config.run.precision == "float64" else torch.float32


def autocast(config: TrainConfig, device: torch.device) -> AbstractContextManager[Any]:
    """Mixed precision, where configured."""
    if config.run.precision != "bfloat16":
        return nullcontext()
    return torch.autocast(device.type, torch.bfloat16)


def arranged(x: torch.Tensor, config: TrainConfig) -> torch.Tensor:
    """In the configured order in memory, which convolutions pass on to their outputs.

    Weights stay as they are: so do the optimizer's states, which must lie as the weights do.
    """
    if config.run.channels_last is not False and x.dim() == 4:
        return x.contiguous(memory_format=torch.channels_last)
    return x
