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
    """

    config: TrainConfig
    step: int
    positions: tuple[int, ...]
    labels_NHW: torch.Tensor
    tiles_NCHW: torch.Tensor
    tables: PackedIntegers | None = None

    def noise(self, purpose: str) -> Noise:
        """The generator's noise, another for each `purpose`, with the stain of the real tiles."""
        size, device = self.labels_NHW.shape[1:], self.labels_NHW.device
        noise = keyed_noise(self.config, size, self._keys(purpose), device)
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
    config: TrainConfig,
    batch: Batch,
    step: int,
    device: torch.device,
    copies: CopyStream | None = None,
) -> StepInputs:
    """Move a batch to the device; only there it grows from bytes to numbers.

    With `copies` it is moved beside the step before, if that is still being computed.
    """
    copies = copies or CopyStream(device)
    with copies.beside():
        tiles_uint8, labels_uint8 = sent(batch.tiles_NCHW, device), sent(batch.labels_NHW, device)
        tables = None if batch.tables is None else batch.tables.to(device)
    numbers = () if tables is None else (tables.numbers,)
    copies.arrived((tiles_uint8, labels_uint8, *numbers))
    return StepInputs(
        config=config,
        step=step,
        positions=tuple(batch.positions_N.tolist()),
        labels_NHW=labels_uint8.long(),
        tiles_NCHW=arranged(to_float(tiles_uint8, config), config),
        tables=tables,
    )


def to_float(tiles_uint8: torch.Tensor, config: TrainConfig) -> torch.Tensor:
    """Tiles in [-1, 1] in the weights' precision."""
    return tiles_uint8.to(dtype_of(config)) / 127.5 - 1


def position_keys(
    config: TrainConfig, purpose: str, number: int, positions: Sequence[int]
) -> list[int]:
    """The keys of the random numbers of batch `number`, on whichever rank its samples are."""
    return [key_of(config.run.seed, purpose, number, position) for position in positions]


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
