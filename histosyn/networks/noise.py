"""The generator's noise: normal numbers keyed by image and position.

Any window of an image sees the same noise as the whole image, on any device and in any company.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch

from histosyn.config.networks import GeneratorConfig
from hpc.device_copies import sent
from hpc.randomness import grid_positions, normal

# Positions of images of more pixels are made anew each time rather than kept.
_MOST_KEPT = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Noise:
    """What a generator draws its variety from.

    `entry` has Z noise channels on the coarsest grid, (N, Z, h, w), or Z numbers an image, (N, Z),
    for entry linear. `pixels` has a channel (N, 1, H_i, W_i) for each resolution, coarsest first;
    empty without pixel noise. `stain` are the codes (N, S) of `histosyn.stain.code` for a generator
    that takes them as an input; without them it makes the mean stain of what it was trained on.
    """

    entry: torch.Tensor
    pixels: tuple[torch.Tensor, ...] = ()
    stain: torch.Tensor | None = None

    def at(self, number: int) -> torch.Tensor | None:
        """The pixel noise of block `number`, (N, 1, H, W), if there is any."""
        return self.pixels[number] if self.pixels else None

    def to(self, *args: Any, **kwargs: Any) -> Noise:
        """On another device or of another type, as `torch.Tensor.to`."""
        return Noise(
            entry=self.entry.to(*args, **kwargs),
            pixels=tuple(noise.to(*args, **kwargs) for noise in self.pixels),
            stain=None if self.stain is None else self.stain.to(*args, **kwargs),
        )


def draw_noise(
    keys: Sequence[int], config: GeneratorConfig, height: int, width: int, device: torch.device
) -> Noise:
    """Noise, float32, for images of `height` x `width` pixels, one key an image."""
    rows, columns = -(-height // config.stride), -(-width // config.stride)
    grids = _grids(config, rows, columns, device)
    # All of it in one draw: on a GPU each operation takes its time to start, however small it is.
    drawn_NM = _normal(keys, grids.positions_M)
    parts = drawn_NM.split(list(grids.sizes), dim=1)
    whole = zip(parts, grids.shapes, strict=True)
    entry, *pixels = (part.unflatten(1, shape) for part, shape in whole)
    return Noise(entry=entry, pixels=tuple(pixels))


@dataclass(frozen=True, kw_only=True, eq=False)
class _Grids:
    """The positions of `Noise.entry` and of each of `Noise.pixels`, one after another."""

    positions_M: torch.Tensor
    shapes: tuple[tuple[int, ...], ...]

    @property
    def sizes(self) -> tuple[int, ...]:
        return tuple(map(math.prod, self.shapes))


def _grids(config: GeneratorConfig, rows: int, columns: int, device: torch.device) -> _Grids:
    fields = (config.entry, config.noise_channels, config.pixel_noise, config.upsamplings)
    if rows * columns << 2 * config.upsamplings > _MOST_KEPT:
        return _grids_of(*fields, rows, columns, device)
    # The same at every step. As inference tensors they could not be used in training.
    with torch.inference_mode(False):
        return _kept_grids_of(*fields, rows, columns, device)


def _grids_of(
    entry: str, channels: int, pixel_noise: bool, upsamplings: int, rows: int, columns: int,
    device: torch.device,
) -> _Grids:  # fmt: skip
    grids = [_entry_positions(entry, channels, range(rows), range(columns), device)]
    for number in range(upsamplings + 1 if pixel_noise else 0):
        channel = channels + number
        grids.append(
            grid_positions(
                range(channel, channel + 1),
                range(rows << number), range(columns << number), device,
            )
        )  # fmt: skip
    shapes = [tuple(grid.shape) for grid in grids]
    if entry == "linear":
        shapes[0] = (channels,)
    return _Grids(positions_M=torch.cat([grid.flatten() for grid in grids]), shapes=tuple(shapes))


_kept_grids_of = lru_cache(maxsize=4)(_grids_of)


def entry_noise(
    keys: Sequence[int], config: GeneratorConfig, rows: range, columns: range, device: torch.device
) -> torch.Tensor:
    """`Noise.entry` in a window of the coarsest grid.

    Half of the channels differ from cell to cell, half have the same position everywhere.
    """
    positions = _entry_positions(config.entry, config.noise_channels, rows, columns, device)
    drawn = _normal(keys, positions)
    return drawn.flatten(1) if config.entry == "linear" else drawn


def _entry_positions(
    entry: str, channels: int, rows: range, columns: range, device: torch.device
) -> torch.Tensor:
    if entry == "linear":
        return grid_positions(channels, range(1), range(1), device)
    whole = channels // 2
    everywhere = grid_positions(whole, range(1), range(1), device)
    everywhere = everywhere.expand(whole, len(rows), len(columns))
    return torch.cat([everywhere, grid_positions(range(whole, channels), rows, columns, device)])


def pixel_noise(
    keys: Sequence[int],
    config: GeneratorConfig,
    number: int,
    rows: range,
    columns: range,
    device: torch.device,
) -> torch.Tensor:
    """The noise of block `number` in a window of its grid, (N, 1, h, w).

    Its channel comes after those of the entry and of coarser resolutions.
    """
    channel = config.noise_channels + number
    return _normal(keys, grid_positions(range(channel, channel + 1), rows, columns, device))


def _normal(keys: Sequence[int], positions: torch.Tensor) -> torch.Tensor:
    """(N, ...), one key each. On a CPU key by key, because larger tensors are slower there."""
    if positions.device.type == "cpu":
        return torch.stack([normal(key, positions).float() for key in keys])
    keys_N = sent(torch.tensor(keys, dtype=torch.int64), positions.device)
    return normal(keys_N.view(-1, *[1] * positions.dim()), positions[None]).float()
