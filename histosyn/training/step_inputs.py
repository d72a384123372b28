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
from hpc.randomness import key_of


@dataclass(frozen=True, kw_only=True)
class StepInputs:
    """`labels_NHW` int64 and `tiles_NCHW` float in [-1, 1] of this rank's part of a global batch.

    `positions` say where in the global batch its samples stand: random numbers are keyed by that.
    """

    config: TrainConfig
    step: int
    positions: tuple[int, ...]
    labels_NHW: torch.Tensor
    tiles_NCHW: torch.Tensor

    def noise(self, purpose: str) -> Noise:
        """The generator's noise, another for each `purpose`, with the stain of the real tiles."""
        noise = keyed_noise(self.config, self.labels_NHW, self._keys(purpose))
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


def make_step_inputs(
    config: TrainConfig, batch: Batch, step: int, device: torch.device
) -> StepInputs:
    """Move a batch to the device; only there it grows from bytes to numbers."""
    tiles_uint8 = batch.tiles_NCHW.to(device, non_blocking=True)
    return StepInputs(
        config=config,
        step=step,
        positions=tuple(batch.positions_N.tolist()),
        labels_NHW=batch.labels_NHW.to(device, non_blocking=True).long(),
        tiles_NCHW=arranged(to_float(tiles_uint8, config), config),
    )


def to_float(tiles_uint8: torch.Tensor, config: TrainConfig) -> torch.Tensor:
    """Tiles in [-1, 1] in the weights' precision."""
    return tiles_uint8.to(dtype_of(config)) / 127.5 - 1


def position_keys(
    config: TrainConfig, purpose: str, number: int, positions: Sequence[int]
) -> list[int]:
    """The keys of the random numbers of batch `number`, on whichever rank its samples are."""
    return [key_of(config.run.seed, purpose, number, position) for position in positions]


def keyed_noise(config: TrainConfig, labels_NHW: torch.Tensor, keys: Sequence[int]) -> Noise:
    """Noise for these label maps, one key each, on their device and in the weights' precision."""
    height, width = labels_NHW.shape[1:]
    noise = draw_noise(keys, config.generator, height, width, labels_NHW.device)
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
