"""Re-rolled areas: parts of an image whose noise has another key than the rest.

The coarse half of the generator runs once for each key; where its features meet the finer half,
each cell takes those of its own key. The finer half reaches a few pixels only, so beyond that
margin the image keeps its pixels, and within it the convolutions leave no seam. What is the same
all over an image (half of the noise: its stain, its mood) comes from the image's own key.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from PIL import Image
from torch.nn import functional

from histosyn.config.networks import GeneratorConfig
from histosyn.images.file import opened_image
from histosyn.images.tiles import png_bytes
from histosyn.networks.generator import Generator, Noise, draw_noise
from histosyn.stain.seen import Code
from histosyn.synthesis.activation_cache import ActivationCache, Recomputed
from hpc.device_copies import sent
from hpc.errors import DatasetError
from hpc.randomness import key_of

# Where features of different keys meet: cells of so many pixels a side.
MEETING_STRIDE = 8


@dataclass(frozen=True, kw_only=True)
class Rerolls:
    """Areas of an image with noise of their own.

    `areas_HW`, uint8 (H, W), is n where `seeds[n - 1]` decides the noise and 0 elsewhere. A cell of
    features that several areas touch belongs to the latest of them.
    """

    areas_HW: np.ndarray
    seeds: tuple[int, ...]

    @property
    def used(self) -> list[int]:
        """The numbers of the areas that are not covered by later ones, ascending."""
        return [int(number) for number in np.unique(self.areas_HW) if number]

    @property
    def used_seeds(self) -> list[int]:
        """The seeds of these."""
        return [self.seeds[number - 1] for number in self.used]


def margin(config: GeneratorConfig) -> int:
    """Pixels beyond a re-rolled area that may change with it, for such a generator.

    The cells that the area touches, then in each finer block two 3x3 convolutions and the filter of
    the doubling, if there is one, and one convolution at the end.
    """
    cell = _cell(config.stride)
    reaches = 2 if config.upsampling == "nearest" else 3
    return (cell - 1) + reaches * (cell - 1) + 1


def painting_key(seed: int) -> int:
    """The key of the noise in a painting."""
    return key_of(seed, "painting")


def paint_tissue(
    network: Generator,
    labels_HW: np.ndarray,
    seed: int,
    rerolls: Rerolls,
    on_progress: Callable[[float], None] = lambda share: None,
    cache: ActivationCache | None = None,
    stain: Code | None = None,
    key_for: Callable[[int], int] = painting_key,
) -> Recomputed:
    """A tile (1, 3, H, W) in [-1, 1] for a label map whose areas have noise of their own.

    The `stain`, of a generator that takes one, is that of all areas; `key_for` gives the key of the
    noise for the seed of the image, and of an area.
    `on_progress` is called before each block with the share of blocks that is done; it may raise to
    end the work. With a `cache` only what differs from the last tile is computed.
    """
    cache = cache or ActivationCache()
    height, width = labels_HW.shape
    device = network.exit.weight.device
    keys = [key_for(each) for each in (seed, *rerolls.used_seeds)]
    noises = _noises(keys, network.config, height, width, device)
    if stain is not None:
        codes = sent(torch.tensor([stain]), device)
        noises = [replace(noise, stain=codes) for noise in noises]
    areas = _Areas(rerolls, network.config, device)
    coarse, fine = _halves(network.config)
    blocks = iter(range(len(coarse) * len(noises) + len(fine)))

    def rise(name: Hashable, numbers: range, made: Recomputed, noise: Noise) -> Recomputed:
        for number in numbers:
            on_progress(next(blocks) / (len(coarse) * len(noises) + len(fine)))
            made = cache.rise(name, network, number, made, noise)
        return made

    # Features of another stain are others everywhere.
    own = (keys[0], stain)
    levels = network.levels_of(torch.from_numpy(labels_HW).long()[None])
    with cache.image(levels):
        passes = []
        for key, noise in zip(keys, noises, strict=True):
            entered = cache.compared(("entry", *own, key), network.enter(levels, noise))
            passes.append(rise((*own, key), coarse, entered, noise))
        mixed = cache.compared(
            "mixed",
            areas.mixed([made.values for made in passes]),
            exact=all(made.exact for made in passes),
        )
        made = cache.leave(
            network, rise(("fine", own[1]), fine, mixed, areas.mixed_pixel_noise(noises))
        )
    return replace(made, values=torch.tanh(made.values[..., :height, :width]))


def areas_png_bytes(rerolls: Rerolls) -> bytes:
    """The areas as an 8-bit PNG, a number a pixel."""
    return png_bytes(Image.fromarray(rerolls.areas_HW))


def read_areas(data: bytes, name: str) -> np.ndarray:
    """What `areas_png_bytes` wrote; DatasetError, which calls it `name`, for anything else."""
    with opened_image(data, name) as image:
        if image.mode != "L":
            raise DatasetError(f"{name} has mode {image.mode}, not 8-bit numbers. Copy it again.")
        return np.array(image)


class _Areas:
    """Which noise each cell of features has."""

    def __init__(self, rerolls: Rerolls, config: GeneratorConfig, device: torch.device) -> None:
        self.numbers = rerolls.used
        areas_HW = sent(torch.from_numpy(rerolls.areas_HW), device).float()
        bottom, right = (-side % config.stride for side in areas_HW.shape)
        # What is padded is no area of its own: it is cut off again.
        self.areas_NCHW = functional.pad(areas_HW[None, None], (0, right, 0, bottom))

    def mixed(self, features: Sequence[torch.Tensor]) -> torch.Tensor:
        """Cell by cell the features that belong there; the first are the image's own."""
        own, *others = features
        cell = self.areas_NCHW.shape[-1] // own.shape[-1]
        # The largest number in a cell is that of the latest area that touches it.
        latest_NCHW = functional.max_pool2d(self.areas_NCHW, cell)
        for number, other in zip(self.numbers, others, strict=True):
            own = torch.where(latest_NCHW == number, other, own)
        return own

    def mixed_pixel_noise(self, noises: Sequence[Noise]) -> Noise:
        """The image's own noise, with the pixel noise of areas in their place."""
        by_resolution = zip(*(noise.pixels for noise in noises), strict=True)
        return replace(noises[0], pixels=tuple(self.mixed(of_all) for of_all in by_resolution))


def _noises(
    keys: Sequence[int], config: GeneratorConfig, height: int, width: int, device: torch.device
) -> list[Noise]:
    """The image's own noise, then that of each area."""
    own, *others = (draw_noise([key], config, height, width, device) for key in keys)
    return [own, *(_same_all_over(own, other, config) for other in others)]


def _same_all_over(own: Noise, other: Noise, config: GeneratorConfig) -> Noise:
    """Noise of an area: its own from cell to cell, the image's in what is the same all over."""
    if config.entry == "linear":
        return other
    whole = config.noise_channels // 2
    entry = torch.cat([own.entry[:, :whole], other.entry[:, whole:]], dim=1)
    return replace(other, entry=entry)


def _cell(stride: int) -> int:
    return min(MEETING_STRIDE, stride)


def _halves(config: GeneratorConfig) -> tuple[range, range]:
    """The numbers of the blocks up to where features meet, and of those after."""
    blocks = config.upsamplings + 1
    meeting = blocks - _cell(config.stride).bit_length() + 1
    return range(meeting), range(meeting, blocks)
