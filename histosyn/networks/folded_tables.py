"""A table of γ and β folded with batch statistics into y = x·A + B, and the way back.

A = (1 + γ)·s and B = β − μ·A, with μ and s the mean and 1/σ of each channel. Two kinds: rows shared
by many pixels are folded once and looked up; rows of one pixel each are folded as they come by.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from histosyn.networks.batch_moments import Statistics
from histosyn.networks.pixel_blocks import Pixels

# Rows that are unfolded at a time: what comes of them stays in a processor's cache.
_ROWS = 1024


@dataclass(frozen=True, kw_only=True, eq=False)
class Gradients:
    """What sums over pixels come to: for the table (R, 2C), and for μ and s, (C,) each."""

    table_R2C: torch.Tensor
    mean_C: torch.Tensor
    scale_C: torch.Tensor


class SharedRows:
    """Rows that pixels look up. A, B and gradients of features have type `dtype`."""

    def __init__(
        self,
        table_R2C: torch.Tensor,
        pixels: Pixels,
        index_M: torch.Tensor,
        statistics: Statistics,
        dtype: torch.dtype,
    ) -> None:
        self._table_R2C, self._statistics = table_R2C, statistics
        self._pixels, self._index_M = pixels, index_M
        self._a, self._b = (rows.to(dtype) for rows in fold(table_R2C, statistics))
        self._sums = self._a.new_empty(0, table_R2C.shape[1])

    def a(self, part: slice) -> torch.Tensor:
        """A for consecutive pixels."""
        return self._a.index_select(0, self._index_M[part])

    def a_b(self, part: slice) -> tuple[torch.Tensor, torch.Tensor]:
        """A and B for consecutive pixels."""
        return self.a(part), self._b.index_select(0, self._index_M[part])

    def add(self, number: int, sums_M2C: torch.Tensor) -> None:
        """Take g·x and g of the pixels of block `number`."""
        summation = self._pixels.summation
        of_runs = summation.sums(number, sums_M2C)
        if number == 0:
            self._sums = of_runs.new_empty(summation.runs.rows, of_runs.shape[1])
        self._sums[summation.runs_of(number)] = of_runs

    def gradients(self) -> Gradients:
        """When all blocks were added."""
        total_R2C, table_R2C = self._pixels.summation.total(self._sums), self._table_R2C
        gradient_R2C = torch.empty_like(table_R2C)
        rows = _ROWS if table_R2C.device.type == "cpu" else max(len(table_R2C), 1)
        sums = [
            _unfold(sums_R2C, table, self._statistics, gradient)
            for sums_R2C, table, gradient in zip(
                total_R2C.split(rows), table_R2C.split(rows), gradient_R2C.split(rows), strict=True
            )
        ]
        return _gradients(gradient_R2C, sums)


class OwnRows:
    """A row for each pixel."""

    def __init__(
        self, table_M2C: torch.Tensor, pixels: Pixels, statistics: Statistics, dtype: torch.dtype
    ) -> None:
        self._table_M2C, self._statistics, self._dtype = table_M2C, statistics, dtype
        self._pixels = pixels
        self._gradient_M2C = torch.empty_like(table_M2C)
        self._sums: list[torch.Tensor] = []

    def a(self, part: slice) -> torch.Tensor:
        """A for consecutive pixels."""
        return scaled(self._table_M2C[part], self._statistics).to(self._dtype)

    def a_b(self, part: slice) -> tuple[torch.Tensor, torch.Tensor]:
        """A and B for consecutive pixels."""
        a, b = fold(self._table_M2C[part], self._statistics)
        return a.to(self._dtype), b.to(self._dtype)

    def add(self, number: int, sums_M2C: torch.Tensor) -> None:
        """Take g·x and g of the pixels of block `number`, in order."""
        part = self._pixels.of(self._pixels.blocks[number])
        table, gradient = self._table_M2C[part], self._gradient_M2C[part]
        self._sums.append(_unfold(sums_M2C, table, self._statistics, gradient))

    def gradients(self) -> Gradients:
        """When all blocks were added."""
        if not self._sums:
            table = self._table_M2C
            self._sums.append(_unfold(table, table, self._statistics, self._gradient_M2C))
        return _gradients(self._gradient_M2C, self._sums)


def folded_rows(
    table_R2C: torch.Tensor, pixels: Pixels, statistics: Statistics, dtype: torch.dtype
) -> SharedRows | OwnRows:
    """The kind of rows that the pixels have."""
    if pixels.index_M is None:
        return OwnRows(table_R2C, pixels, statistics, dtype)
    return SharedRows(table_R2C, pixels, pixels.index_M, statistics, dtype)


def scaled(table_R2C: torch.Tensor, statistics: Statistics) -> torch.Tensor:
    """A, for each row."""
    return _scaled(table_R2C[:, : len(statistics.mean_C)], statistics)


def fold(table_R2C: torch.Tensor, statistics: Statistics) -> tuple[torch.Tensor, torch.Tensor]:
    """A and B, for each row."""
    gamma, beta = table_R2C.chunk(2, dim=1)
    a = _scaled(gamma, statistics)
    return a, torch.addcmul(beta.to(a.dtype), a, statistics.mean_C, value=-1)


def _scaled(gamma_RC: torch.Tensor, statistics: Statistics) -> torch.Tensor:
    return (gamma_RC.to(statistics.mean_C.dtype) + 1).mul_(statistics.scale_C)


def _unfold(
    sums_R2C: torch.Tensor, table_R2C: torch.Tensor, statistics: Statistics, out_R2C: torch.Tensor
) -> torch.Tensor:
    """From dA and dB of each row to what they were made of; returns dμ and ds, (2, C).

    dγ = s·(dA − μ·dB), dβ = dB, ds = Σ (dA − μ·dB)·(1 + γ), dμ = −Σ dB·A.
    """
    mean_C, scale_C = statistics.mean_C, statistics.scale_C
    da, db = sums_R2C.to(mean_C.dtype).chunk(2, dim=1)
    dgamma, dbeta = out_R2C.chunk(2, dim=1)
    centred = torch.addcmul(da, db, mean_C, value=-1)
    a = scaled(table_R2C, statistics)
    dgamma.copy_(centred * scale_C)
    dbeta.copy_(db)
    # In place: no tensor more than is needed.
    scale_gradient_C = centred.mul_(a).sum(0) / scale_C
    return torch.stack([-a.mul_(db).sum(0), scale_gradient_C])


def _gradients(table_R2C: torch.Tensor, sums: list[torch.Tensor]) -> Gradients:
    mean_C, scale_C = torch.stack(sums).sum(0)
    return Gradients(table_R2C=table_R2C, mean_C=mean_C, scale_C=scale_C)
