"""Which row of a table each pixel of a level has, in blocks that stay in a processor's cache.

What is done to all pixels is done block by block: on a CPU, features come from memory once and go
back once, rather than once for each operation. On a GPU, whose kernels see all pixels at once,
there is one block.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch

from histosyn.networks.bags import Bags, quickly_sorted, starts, sum_of_rows
from hpc.packed_integers import Packer

# Pixels of a piece, about. Small enough for the cache with 64 channels of float32, large enough
# that the time is spent in kernels.
_PIECE = 2048


class Pixels:
    """The M pixels of label maps (N, H, W) in raster order; pixel m has the row `index_M[m]`.

    Without an index, each pixel has a row of its own. `rows` is how many rows the table has.
    `device` is where features are computed; the index may still be on the host.
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
        piece_pixels = self._image_rows * self.shape_NHW[2]
        position = torch.arange(len(self), device=self.index_M.device)
        pieces = -(-len(self) // piece_pixels)
        keys = position // piece_pixels * self.rows + self.index_M
        key, order = torch.sort(quickly_sorted(keys, pieces * self.rows), stable=True)
        runs, counts = torch.unique_consecutive(key, return_counts=True)
        first = starts(counts)
        blocks = self._block_starts
        edges = torch.searchsorted(first, first.new_tensor([*blocks, len(self)]))
        block = torch.repeat_interleave(edges.diff() + 1)
        begins = first.new_tensor(blocks)[block] if blocks else block
        return Summation(
            blocks=(*blocks, len(self)),
            # Blocks are pieces, or there is only one of them.
            members=order % piece_pixels if len(blocks) > 1 else order,
            offsets=first[torch.arange(len(block), device=block.device) - block] - begins,
            edges=tuple(edges.tolist()),
            runs=Bags.grouped(runs % self.rows, self.rows),
        )

    @property
    def _block_starts(self) -> list[int]:
        return [self.of(block).start for block in self.blocks]

    def pack(self, packer: Packer, *, gradients: bool) -> Any:
        """Put the index and, for gradients, the summation; as `Bags.pack`."""
        assert self.index_M is not None
        packer.put(self.index_M)
        back = self.summation.pack(packer) if gradients else None
        return self.shape_NHW, self.rows, back

    @classmethod
    def unpacked(cls, plan: Any, tensors: Iterator[torch.Tensor], device: torch.device) -> Pixels:
        """What was packed for this kind of device."""
        shape_NHW, rows, back = plan
        pixels = cls(shape_NHW, device, next(tensors), rows)
        if back is not None:
            pixels.summation = Summation.unpacked(back, tensors)
        return pixels


@dataclass(frozen=True, kw_only=True, eq=False)
class Summation:
    """Sums over pixels with the same row: first within each piece, then over pieces.

    Block k has the pixels from `blocks[k]` to `blocks[k + 1]` and the runs, of pixels in one piece
    that have the same row, from `edges[k]` to `edges[k + 1]`. Run by run, `members` are its pixels,
    counted from the block's first, and `offsets` where runs begin in them and the last one ends.
    """

    blocks: tuple[int, ...]
    members: torch.Tensor
    offsets: torch.Tensor
    edges: tuple[int, ...]
    runs: Bags

    def sums(self, number: int, values_MC: torch.Tensor) -> torch.Tensor:
        """The sums of the runs of a block, from the values of its pixels."""
        return sum_of_rows(values_MC, *self._parts[number])

    @cached_property
    def _parts(self) -> list[tuple[torch.Tensor, torch.Tensor]]:
        if len(self.edges) == 2:
            return [(self.members, self.offsets)]
        return [
            (
                self.members[self.blocks[k] : self.blocks[k + 1]],
                self.offsets[self.edges[k] + k : self.edges[k + 1] + k + 1],
            )
            for k in range(len(self.edges) - 1)
        ]

    def runs_of(self, number: int) -> slice:
        """The runs of a block."""
        return slice(self.edges[number], self.edges[number + 1])

    def pack(self, packer: Packer) -> Any:
        """As `Bags.pack`."""
        packer.put(self.members)
        packer.put(self.offsets)
        return self.blocks, self.edges, self.runs.pack(packer, gradients=False)

    @classmethod
    def unpacked(cls, plan: Any, tensors: Iterator[torch.Tensor]) -> Summation:
        """As `Bags.unpacked`."""
        blocks, edges, runs = plan
        return cls(
            blocks=blocks, edges=edges, members=next(tensors), offsets=next(tensors),
            runs=Bags.unpacked(runs, tensors),
        )  # fmt: skip

    def total(self, sums: torch.Tensor) -> torch.Tensor:
        """The sums (rows, C), from those of all runs."""
        return self.runs.sum(sums)
