"""The distinct neighbourhoods of label maps.

A convolution of a label map sees a 3x3 neighbourhood, a second one on top of it 5x5 pixels. Label
maps are piecewise constant, so there are few distinct neighbourhoods, which are numbered here. The
number is exact, no hash: labels are digits of an integer, which is replaced by its rank among those
that occur (`torch.unique`) before it could overflow. Any number of classes and any size will do.

How many there are is known when they are found. A GPU would have to be waited for, so they are
found on the host (`histosyn.networks.levels`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional

from histosyn.networks.bags import Bags, starts
from histosyn.networks.pixel_blocks import Pixels
from hpc.packed_integers import Packer

# The label of pixels that belong to no class.
IGNORED = 255
_LARGEST_NUMBER = 1 << 62


@dataclass(frozen=True, kw_only=True, eq=False)
class Patterns:
    """The distinct neighbourhoods of a level.

    R distinct 3x3 neighbourhoods of pixels: `parts` sums, for each, rows of a table (9·K, ...) of
    what class k contributes at tap t (row t·K + k). Pixels outside the map and ignored
    ones contribute nothing. P distinct 5x5 neighbourhoods: `taps` sums, for each, nine rows of a
    table (rows·9, ...): row 9·r + t is what the 3x3 neighbourhood r contributes at tap t; r = R
    stands for any pixel outside the map. `pixels` says which of the P each pixel has.

    `rows` is R + 1 rounded up by at most an eighth: R differs from map to map, and oneDNN prepares,
    and keeps, a matrix product for each size that it meets. What fills it up belongs to no bag.
    """

    parts: Bags
    rows: int
    taps: Bags
    pixels: Pixels

    @property
    def shares(self) -> tuple[float, float]:
        """Distinct 3x3 and 5x5 neighbourhoods, each as a share of the pixels."""
        pixels = max(len(self.pixels), 1)
        return len(self.parts) / pixels, len(self.taps) / pixels

    def pack(self, packer: Packer, *, gradients: bool) -> Any:
        """As `Bags.pack`."""
        of_parts, of_taps = (bags.pack(packer, gradients=gradients) for bags in self._bags)
        return of_parts, self.rows, of_taps, self.pixels.pack(packer, gradients=gradients)

    @property
    def _bags(self) -> tuple[Bags, Bags]:
        return self.parts, self.taps

    @classmethod
    def unpacked(cls, plan: Any, tensors: Iterator[torch.Tensor], device: torch.device) -> Patterns:
        """As `Pixels.unpacked`."""
        of_parts, rows, of_taps, of_pixels = plan
        return cls(
            parts=Bags.unpacked(of_parts, tensors),
            rows=rows,
            taps=Bags.unpacked(of_taps, tensors),
            pixels=Pixels.unpacked(of_pixels, tensors, device),
        )


def find_patterns(
    labels_NHW: torch.Tensor, classes: int, device: torch.device | None = None
) -> Patterns:
    """The distinct 3x3 and 5x5 neighbourhoods of label maps (N, H, W), int64.

    `device` is where features are computed, if it is another one than that of the label maps.
    """
    outside = classes + 1
    digits = functional.pad(labels_NHW.clamp(max=classes), (2, 2, 2, 2), value=outside)
    # Centres are the pixels and one ring around them, which 5x5 neighbourhoods reach into.
    small_NHW, found = _distinct(_numbers_of_blocks(digits, classes + 2))
    labels_R9 = _neighbours(digits, found)
    inside = labels_R9[:, 4] != outside
    labels_R9 = labels_R9[inside]
    # The 3x3 neighbourhoods of the corners of a 3x3 block cover the 5x5 block around it.
    height, width = labels_NHW.shape[1:]
    corners = [small_NHW[:, i : i + height, j : j + width] for i in (0, 2) for j in (0, 2)]
    large_NHW, found = _distinct(_number(corners, len(inside))[0])
    row = torch.where(inside, inside.cumsum(0) - 1, len(labels_R9))
    tap_P9 = row[_neighbours(small_NHW, found)] * 9 + torch.arange(9, device=row.device)
    rows = _rounded(len(labels_R9) + 1)
    return Patterns(
        parts=_parts(labels_R9, classes),
        rows=rows,
        taps=Bags.of_equal_size(tap_P9, rows * 9),
        pixels=Pixels(
            labels_NHW.shape, device or labels_NHW.device, large_NHW.flatten(), len(found)
        ),
    )


def mean_shares(windows: Iterable[torch.Tensor], classes: int) -> tuple[float, float]:
    """The mean `Patterns.shares` of label maps (N, H, W)."""
    small, large = zip(*(find_patterns(labels, classes).shares for labels in windows), strict=True)
    return sum(small) / len(small), sum(large) / len(large)


def one_hot(labels_NHW: torch.Tensor, classes: int, dtype: torch.dtype) -> torch.Tensor:
    """(N, K, H, W) indicator of the classes, made on the labels' device; no class is all zeros."""
    class_K = torch.arange(classes, device=labels_NHW.device, dtype=labels_NHW.dtype)
    return (labels_NHW[:, None] == class_K.view(-1, 1, 1)).to(dtype)


def shrink(labels_NHW: torch.Tensor, factor: int) -> torch.Tensor:
    """Nearest-neighbour reduction: the upper left pixel of each `factor` x `factor` cell.

    A function of absolute pixel positions, so a window on the grid of cells gives the same cells.
    """
    return labels_NHW[:, ::factor, ::factor]


def _parts(labels_R9: torch.Tensor, classes: int) -> Bags:
    """Row t·K + k of the table is what class k contributes at tap t."""
    counts = labels_R9 < classes
    table_row = labels_R9 + torch.arange(9, device=labels_R9.device) * classes
    return Bags(table_row[counts], starts(counts.sum(1)), 9 * classes)


def _rounded(count: int) -> int:
    """The next number of at most four binary digits and zeros."""
    quantum = 1 << max(count.bit_length() - 4, 0)
    return -(-count // quantum) * quantum


def _numbers_of_blocks(digits_NHW: torch.Tensor, base: int) -> torch.Tensor:
    """A number for the 3x3 block around each pixel but the outermost, by columns and then rows."""
    height, width = (side - 2 for side in digits_NHW.shape[1:])
    columns, base = _number([digits_NHW[:, i : i + height] for i in range(3)], base)
    return _number([columns[:, :, i : i + width] for i in range(3)], base)[0]


def _number(digits: Sequence[torch.Tensor], base: int) -> tuple[torch.Tensor, int]:
    """One number for several digits in [0, base), and what it lies below."""
    number, below = digits[0], base
    for digit in digits[1:]:
        if below * base > _LARGEST_NUMBER:
            number, found = _distinct(number)
            below = len(found)
        number, below = number * base + digit, below * base
    return number, below


def _distinct(numbers_NHW: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Each number's rank among the distinct ones, and for each of those a position, flat."""
    distinct, rank_NHW = torch.unique(numbers_NHW, return_inverse=True)
    rank = rank_NHW.flatten()
    position = torch.arange(len(rank), device=rank.device)
    return rank_NHW, position.new_empty(len(distinct)).scatter_(0, rank, position)


def _neighbours(grid_NHW: torch.Tensor, centres_P: torch.Tensor) -> torch.Tensor:
    """The 3x3 blocks (P, 9) around centres, flat positions in the grid without its outermost."""
    height, width = grid_NHW.shape[1:]
    row = centres_P // (width - 2)
    # Each map above the centre has two rows more in the grid.
    corner = (row + row // (height - 2) * 2) * width + centres_P % (width - 2)
    steps = torch.arange(3, device=grid_NHW.device)
    block_9 = (steps[:, None] * width + steps).flatten()
    return grid_NHW.flatten()[corner[:, None] + block_9]
