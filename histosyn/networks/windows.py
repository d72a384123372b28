"""Windows: an image of any size through the generator in bounded memory, bit for bit as in whole.

All that is known of how far a block sees stands here. A window of block `number` is computed with a
rim, since its edges are not the image's: γ and β of a cell depend on the labels within two cells,
enlarging on a neighbour or two, and both reach two cells further through the convolutions. Where a
window ends with the image it ends as the whole image does, so what pads an image there pads it.

Windows are nested. One of the coarse blocks is wide, since little is computed there and its rim is
wide, too; within it lie smaller ones of the finer blocks. So features of a coarse block are
computed once for all windows that lie in its own.

A value does not depend on the window that it is computed in as long as sums are made in one order.
That is so on a CPU (oneDNN, AVX2 and AVX-512, both precisions) for windows of `LEAST_CELLS` squared
and more and channels that are powers of two, if no other kernel is taken for small ones
(`Convolution.one_kernel`); and whether γ and β are computed for pixels or
for distinct neighbourhoods is decided for the image as a whole (`Level.shares`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch

from histosyn.config.networks import GeneratorConfig
from histosyn.networks.boxes import Box, hull, sampled
from histosyn.networks.generator import Generator, block_widths
from histosyn.networks.levels import Level
from histosyn.networks.noise import Noise, entry_noise, pixel_noise
from histosyn.networks.patterns import mean_shares
from hpc.device_copies import sent

_REACH_OF_LABELS = 2
_REACH_OF_ENLARGING = 2
_REACH_OF_CONVOLUTIONS = 2
# What must be computed around the cells that are wanted of a block.
RIM = max(_REACH_OF_LABELS, _REACH_OF_ENLARGING) + _REACH_OF_CONVOLUTIONS
# The first and the last convolution.
_REACH_OF_ENDS = 1
# A window of fewer cells, squared, may be summed in another order than an image.
LEAST_CELLS = 24

Shares = Sequence[tuple[float, float]]
Sides = Sequence[tuple[int, int]]


@dataclass(frozen=True, kw_only=True)
class Scene:
    """An image that is to be made in windows.

    `size` are its height and width in pixels, both whole numbers of `stride`s; `labels(box, step)`
    gives every `step`-th label of a box of pixels in both directions, int64 (1, h, w) on the host.
    """

    size: tuple[int, int]
    labels: Callable[[Box, int], torch.Tensor]
    noise_key: int
    # The code (1, S), for a generator that takes a stain.
    stain: torch.Tensor | None = None


class Reach:
    """Which cells of each block are wanted, and are computed, for a box of pixels of an image.

    `sides` as for `WindowedGenerator`, one for each block.
    """

    def __init__(self, size: Sequence[int], sides: Sides) -> None:
        self.finest = len(sides) - 1
        self.sides = sides
        self._size = tuple(size)

    def grid(self, number: int) -> tuple[int, int]:
        """Rows and columns of block `number`."""
        height, width = self._size
        return height >> (self.finest - number), width >> (self.finest - number)

    def wanted(self, number: int, pixels: Box) -> Box:
        """The cells of block `number` that must be right for these pixels to be."""
        if number == self.finest:
            return pixels.grown(_REACH_OF_ENDS, self._size).with_cells(LEAST_CELLS, self._size)
        parts = self.parts(number + 1, pixels)
        return hull([self.computed(number + 1, part).coarser() for part in parts])

    def computed(self, number: int, pixels: Box) -> Box:
        """The cells of the window that block `number` is computed in; whole ones of the block
        before."""
        size = self.grid(number)
        box = self.wanted(number, pixels).grown(RIM, size).with_cells(LEAST_CELLS, size)
        return box.coarser().finer() if number else box

    def parts(self, number: int, pixels: Box) -> list[Box]:
        """The boxes of pixels for which block `number` is computed one after another."""
        rows, columns = self.sides[number]
        return [
            Box(
                top=top, bottom=min(top + rows, pixels.bottom),
                left=left, right=min(left + columns, pixels.right),
            )
            for top in range(pixels.top, pixels.bottom, rows)
            for left in range(pixels.left, pixels.right, columns)
        ]  # fmt: skip

    def entered(self, pixels: Box) -> Box:
        """The same for the first convolution."""
        return self.computed(0, pixels).grown(_REACH_OF_ENDS, self.grid(0))


class WindowedGenerator:
    """A generator that makes parts of one image.

    `sides`, rows and columns in pixels for each block, say how large windows are (`sides_within`):
    none smaller than `LEAST_CELLS`, and each divides that of the block before. `shares` are those
    of each level (`shares_of`).
    """

    def __init__(self, network: Generator, scene: Scene, sides: Sides, shares: Shares) -> None:
        self._network, self._scene = network, scene
        self._config = network.config
        self._reach = Reach(scene.size, sides)
        self._shares = shares
        self._device = network.exit.weight.device

    def windows(self, pixels: Box) -> Iterator[tuple[Box, torch.Tensor]]:
        """Parts of a box of pixels, each with its tile (1, 3, h, w) in [-1, 1], one after another.

        Corners of the box are on the grid of cells.
        """
        for part in self._reach.parts(0, pixels):
            yield from self._rise(0, part, [self._enter(part)], self._reach.computed(0, part))

    def _enter(self, pixels: Box) -> torch.Tensor:
        box = self._reach.entered(pixels)
        noise = entry_noise([self._scene.noise_key], self._config, *_ranges(box), self._device)
        x = self._network.enter([self._level(0, box)], Noise(entry=noise))
        return self._reach.computed(0, pixels).shifted(box).of(x)

    def _rise(
        self, number: int, pixels: Box, held: list[torch.Tensor], box: Box
    ) -> Iterator[tuple[Box, torch.Tensor]]:
        """Blocks from `number` on; `held`, features of `box`, are let go when they have served."""
        parts = self._reach.parts(number, pixels)
        for part in parts:
            x = held.pop() if len(parts) == 1 else held[0]
            y = [self._block(number, part, x, box)]
            del x
            if number < self._reach.finest:
                yield from self._rise(number + 1, part, y, self._reach.wanted(number, part))
            else:
                yield part, self._leave(part, y.pop())

    def _block(self, number: int, pixels: Box, x: torch.Tensor, box: Box) -> torch.Tensor:
        window = self._reach.computed(number, pixels)
        before = window.coarser() if number else window
        noise = None
        if self._config.pixel_noise:
            key = self._scene.noise_key
            noise = pixel_noise([key], self._config, number, *_ranges(window), self._device)
        level = self._level(number, window)
        y = self._network.rise(number, before.shifted(box).of(x), level, noise, self._scene.stain)
        return self._reach.wanted(number, pixels).shifted(window).of(y)

    def _leave(self, pixels: Box, x: torch.Tensor) -> torch.Tensor:
        box = self._reach.wanted(self._reach.finest, pixels)
        return torch.tanh(pixels.shifted(box).of(self._network.leave(x)))

    def _level(self, number: int, box: Box) -> Level:
        step = self._config.stride >> number
        host_NHW = self._scene.labels(_pixels(box, step), step)
        labels_NHW = sent(host_NHW, self._device)
        return Level(labels_NHW, self._network.classes, self._shares[number], host_NHW)


def shares_of(scene: Scene, config: GeneratorConfig, classes: int) -> Shares:
    """What `Level.shares` is on each level of an image, from the coarsest on."""
    steps = [config.stride >> number for number in range(config.upsamplings + 1)]
    height, width = scene.size
    return [
        mean_shares(
            (
                scene.labels(_pixels(box, step), step)
                for box in sampled((height // step, width // step))
            ),
            classes,
        )
        for step in steps
    ]


def sides_within(config: GeneratorConfig, whole: int, most_bytes: int, itemsize: int = 4) -> Sides:
    """The sides of windows in parts of `whole` pixels a side: no block needs more bytes for one.

    No window is smaller than `LEAST_CELLS` of its block, whatever that needs (`bytes_needed`).
    """
    sides: list[tuple[int, int]] = []
    rows, columns = whole, whole
    for number in range(config.upsamplings + 1):
        least = max(LEAST_CELLS * config.stride >> number, config.stride)
        while _bytes(config, number, (rows, columns), itemsize) > most_bytes and rows // 2 >= least:
            columns, rows = sorted((columns // 2, rows), reverse=True)
        sides.append((rows, columns))
    return sides


def bytes_needed(config: GeneratorConfig, sides: Sides, itemsize: int = 4) -> int:
    """What the block needs most that needs most, about."""
    return max(_bytes(config, number, pair, itemsize) for number, pair in enumerate(sides))


# Neighbourhoods are numbered by int64, and sorted.
_BYTES_OF_LABEL = 120


def _bytes(config: GeneratorConfig, number: int, sides: tuple[int, int], itemsize: int) -> int:
    """Features that a block gets, what it makes of them on the way, and what it gives."""
    widths = block_widths(config)
    inner, outer = widths[max(number - 1, 0)], widths[number]
    cells = sides[0] * sides[1] // (config.stride >> number) ** 2
    return cells * (itemsize * (3 * inner + 2 * outer) + _BYTES_OF_LABEL)


def _ranges(box: Box) -> tuple[range, range]:
    return range(box.top, box.bottom), range(box.left, box.right)


def _pixels(box: Box, step: int) -> Box:
    return Box(
        top=box.top * step, bottom=box.bottom * step,
        left=box.left * step, right=box.right * step,
    )  # fmt: skip
