"""One rank's part of a global batch, as a stream gives it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from hpc.packed_integers import PackedIntegers


@dataclass(frozen=True, kw_only=True)
class BadSample:
    """A sample that could not be used, why, and the key of the one shown in its place."""

    shard: str
    key: str
    cause: str
    replaced_by: str


@dataclass(frozen=True, kw_only=True)
class Batch:
    """One rank's part of a global batch.

    `tiles_NCHW` is uint8, `labels_NHW` uint8 class indices; `positions_N` says where in the global
    batch each sample stands: what random numbers are keyed by. `keys` are the samples' names, and
    `bad` lists the samples that were replaced. `tables` is what the stream was asked to find in the
    label maps, if anything.
    """

    number: int
    tiles_NCHW: torch.Tensor
    labels_NHW: torch.Tensor
    positions_N: torch.Tensor
    keys: list[str]
    bad: tuple[BadSample, ...] = ()
    tables: PackedIntegers | None = None

    def pin_memory(self) -> Batch:
        """The same batch in page-locked memory, from which a GPU copies without waiting."""
        return replace(
            self,
            tiles_NCHW=self.tiles_NCHW.pin_memory(),
            labels_NHW=self.labels_NHW.pin_memory(),
            tables=None if self.tables is None else self.tables.pin_memory(),
        )
