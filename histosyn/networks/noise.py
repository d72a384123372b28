"""The generator's noise: normal numbers keyed by image and position.

Any window of an image sees the same noise as the whole image, on any device and in any company.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from histosyn.config.train import GeneratorConfig
from hpc.randomness import grid_positions, normal


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
    return Noise(
        entry=entry_noise(keys, config, range(rows), range(columns), device),
        pixels=tuple(
            pixel_noise(
                keys, config, number, range(rows << number), range(columns << number), device
            )
            for number in range(config.upsamplings + 1)
        )
        if config.pixel_noise
        else (),
    )


def entry_noise(
    keys: Sequence[int], config: GeneratorConfig, rows: range, columns: range, device: torch.device
) -> torch.Tensor:
    """`Noise.entry` in a window of the coarsest grid.

    Half of the channels differ from cell to cell, half have the same position everywhere.
    """
    if config.entry == "linear":
        grid = grid_positions(config.noise_channels, range(1), range(1), device)
        return _normal(keys, grid).flatten(1)
    whole = config.noise_channels // 2
    everywhere = grid_positions(whole, range(1), range(1), device)
    everywhere = everywhere.expand(whole, len(rows), len(columns))
    others = grid_positions(range(whole, config.noise_channels), rows, columns, device)
    return _normal(keys, torch.cat([everywhere, others]))


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
    return torch.stack([normal(key, positions) for key in keys]).float()
