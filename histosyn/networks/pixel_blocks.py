"""Which row of a table each pixel of a level has, in blocks that stay in a processor's cache.

What is done to all pixels is done block by block: on a CPU, features come from memory once and go
back once, rather than once for each operation. On a GPU, whose kernels see all pixels at once,
there is one block.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch

from histosyn.networks.bags import Bags, quickly_sorted, starts, sum_of_rows

# Pixels of a piece, about. Small enough for the cache with 64 channels of float32, large enough
# that the time is spent in kernels.
_PIECE = 2048


class Pixels:
    """The M pixels of label maps (N, H, W) in raster order; pixel m has the row `index_M[m]`.

    Without an index, each pixel has a row of its own. `rows` is how many rows the table has.
    """

    def __init__(
        self,
        shape_NHW: Sequence[int],
        device: torch.device,
        index_M: torch.Tensor | None = None,
        rows: int | None = None,
    ) -> None:
        self.shape_NHW = tuple(shape_NHW)
        self.device = device
        self.index_M = index_M
        self.rows = len(self) if rows is None else rows

    def __len__(self) -> int:
        batch, height, width = self.shape_NHW
        return batch * height * width

    @cached_property
    def blocks(self) -> tuple[slice, ...]:
        """Parts of the image rows, N·H of them one after another; even if H is."""
        batch, height, _ = self.shape_NHW
        step = self._image_rows if self.device.type == "cpu" else max(batch * height, 1)
        return tuple(
            slice(start, min(start + step, batch * height))
            for start in range(0, batch * height, step)
        )

    def of(self, image_rows: slice) -> slice:
        """The pixels of a block."""
        width = self.shape_NHW[2]
        return slice(image_rows.start * width, image_rows.stop * width)

    @property
    def _image_rows(self) -> int:
        """Rows of a piece: whole pairs, so that nearest doubling keeps a pair together."""
        return 2 * max(_PIECE // (2 * self.shape_NHW[2]), 1)

    @cached_property
    def summation(self) -> Summation:
        """How values of pixels with the same row are summed."""
        if self.index_M is None:
            raise ValueError("pixels without an index have nothing to sum")
        piece = torch.arange(len(self), device=self.device) // (
            self._image_rows * self.shape_NHW[2]
        )
        keys = piece * self.rows + self.index_M
        below = (int(piece[-1]) + 1) * self.rows if len(self) else 0
        key, order = torch.sort(quickly_sorted(keys, below), stable=True)
        runs, counts = torch.unique_consecutive(key, return_counts=True)
        first = starts(counts)
        pixels = [self.of(block) for block in self.blocks]
        edges = torch.tensor([0, *(part.stop for part in pixels)], device=self.device)
        run_edges = torch.searchsorted(first, edges).tolist()
        parts = [
            _Part(
                runs=slice(start, stop),
                members=order[part] - part.start,
                offsets=first[start : stop + 1] - part.start,
            )
            for part, start, stop in zip(pixels, run_edges, run_edges[1:], strict=False)
        ]
        return Summation(parts=parts, runs=Bags.grouped(runs % self.rows, self.rows))


@dataclass(frozen=True, kw_only=True)
class _Part:
    """Of a block: its runs of pixels in one piece that have the same row."""

    runs: slice
    members: torch.Tensor
    offsets: torch.Tensor


@dataclass(frozen=True, kw_only=True, eq=False)
class Summation:
    """Sums over pixels with the same row: first within each piece, then over pieces."""

    parts: list[_Part]
    runs: Bags

    def buffer(self, like_MC: torch.Tensor) -> torch.Tensor:
        """Where `add` puts the sums of runs."""
        return like_MC.new_empty(self.runs.rows, like_MC.shape[1])

    def add(self, buffer: torch.Tensor, block: int, values_MC: torch.Tensor) -> None:
        """Sum the values of the pixels of a block, run by run."""
        part = self.parts[block]
        buffer[part.runs] = sum_of_rows(values_MC, part.members, part.offsets)

    def total(self, buffer: torch.Tensor) -> torch.Tensor:
        """The sums (rows, C), when all blocks were added."""
        return self.runs.sum(buffer)
