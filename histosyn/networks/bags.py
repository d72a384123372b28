"""Sums of rows of a table, bag by bag: a sparse matrix of ones times a dense one.

`Bags` is that matrix S (B bags x R rows of the table). Forward S·T, backward Sᵀ·dy, both as
`embedding_bag`, which on a CPU is several times as fast as `index_add` and, unlike it, sums in the
same order every time on any device. Differentiable as often as wanted.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import torch
from torch.nn import functional

from hpc.packed_integers import Packer

# Larger bags are summed piece by piece: float32 keeps its digits, and a GPU finds enough to do.
_PIECE = 512
_MOST_INT32 = 1 << 31


class Bags:
    """Which rows of a table of `rows` rows are summed into which bag.

    Bag b holds the rows `members[offsets[b] : offsets[b + 1]]`, int64; it may be empty.
    """

    def __init__(self, members: torch.Tensor, offsets: torch.Tensor, rows: int) -> None:
        self.members = members
        self.offsets = offsets
        self.rows = rows

    @classmethod
    def of_equal_size(cls, members_BS: torch.Tensor, rows: int) -> Bags:
        """Bag b holds the rows `members_BS[b]`."""
        bags, size = members_BS.shape
        offsets = torch.arange(bags + 1, device=members_BS.device) * size
        return cls(members_BS.flatten(), offsets, rows)

    @classmethod
    def grouped(cls, bag_R: torch.Tensor, bags: int) -> Bags:
        """Row r lies in the bag `bag_R[r]` alone."""
        counts = torch.bincount(bag_R, minlength=bags)
        order = torch.argsort(quickly_sorted(bag_R, bags), stable=True)
        return cls(order, starts(counts), len(bag_R))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @cached_property
    def transposed(self) -> Bags:
        """Row r of this one's table becomes the bag of those bags that held it."""
        order = torch.argsort(quickly_sorted(self.members, self.rows), stable=True)
        bag = torch.repeat_interleave(self.offsets.diff())
        return Bags(
            bag[order], starts(torch.bincount(self.members, minlength=self.rows)), len(self)
        )

    @cached_property
    def _pieces(self) -> tuple[torch.Tensor, torch.Tensor] | None:
        """Offsets of pieces of bags, and of bags in terms of pieces; None if all are small."""
        sizes = self.offsets.diff()
        if not len(sizes) or int(sizes.max()) <= _PIECE:
            return None
        pieces = (sizes + _PIECE - 1) // _PIECE
        bags = starts(pieces)
        bag = torch.repeat_interleave(pieces)
        number = torch.arange(len(bag), device=bag.device) - bags[bag]
        offsets = self.offsets[bag] + number * _PIECE
        return torch.cat([offsets, self.offsets[-1:]]), bags

    def pack(self, packer: Packer, *, gradients: bool) -> Any:
        """Put all that sums need, and their gradients; what `unpacked` must know besides."""
        packer.put(self.members)
        packer.put(self.offsets)
        for tensor in self._pieces or ():
            packer.put(tensor)
        back = self.transposed.pack(packer, gradients=False) if gradients else None
        return self.rows, self._pieces is not None, back

    @classmethod
    def unpacked(cls, plan: Any, tensors: Iterator[torch.Tensor]) -> Bags:
        """What was packed, wherever it is now: nothing is asked of it any more."""
        rows, in_pieces, back = plan
        bags = cls(next(tensors), next(tensors), rows)
        bags._pieces = (next(tensors), next(tensors)) if in_pieces else None
        if back is not None:
            bags.transposed = cls.unpacked(back, tensors)
        return bags

    def sum(self, table_RC: torch.Tensor) -> torch.Tensor:
        """The sums (B, C), without a gradient."""
        if self._pieces is None:
            return sum_of_rows(table_RC, self.members, self.offsets)
        offsets, bags = self._pieces
        sums = sum_of_rows(table_RC, self.members, offsets)
        return sum_of_rows(sums, torch.arange(len(sums), device=sums.device), bags)


def bag_sums(table_RC: torch.Tensor, bags: Bags) -> torch.Tensor:
    """The sum (B, C) of the rows of each bag; differentiable."""
    return _BagSums.apply(table_RC, bags)


class _BagSums(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, table_RC: torch.Tensor, bags: Bags) -> torch.Tensor:
        ctx.bags = bags
        return bags.sum(table_RC)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None]:
        return bag_sums(gradients[0].contiguous(), ctx.bags.transposed), None


def sum_of_rows(
    table_RC: torch.Tensor, members: torch.Tensor, offsets: torch.Tensor
) -> torch.Tensor:
    """Sums (B, C) of the rows `members[offsets[b] : offsets[b + 1]]`."""
    if not len(members):
        return table_RC.new_zeros(len(offsets) - 1, table_RC.shape[1])
    return functional.embedding_bag(
        members, table_RC, offsets, mode="sum", include_last_offset=True
    )


def quickly_sorted(keys: torch.Tensor, below: int) -> torch.Tensor:
    """The keys, in [0, below), in a type that takes half the time to sort, if they fit into it."""
    return keys.int() if below <= _MOST_INT32 else keys


def starts(counts: torch.Tensor) -> torch.Tensor:
    """(B + 1,) where each of B consecutive runs of `counts` begins, and where the last one ends."""
    return functional.pad(counts.cumsum(0), (1, 0))
