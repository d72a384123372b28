"""The batches of an arm: real tiles of some patients, synthetic tiles, or both in each step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch

from eval.utility.config import UtilityConfig
from eval.utility.plan import PlannedTraining, Sources
from histosyn.shards.batch import Batch
from histosyn.shards.index import DatasetIndex
from histosyn.shards.oversampling import Subset
from histosyn.shards.reader import ShardReader
from histosyn.shards.stream import ShardStream
from histosyn.training.steps import BatchSource


@dataclass(frozen=True, kw_only=True, eq=False)
class Mixture:
    """Steps that hold a batch of each of two streams; `index` is that of both together."""

    first: ShardStream
    second: ShardStream

    @property
    def index(self) -> DatasetIndex:
        """All shards."""
        one, other = self.first.index, self.second.index
        return replace(one, shards=(*one.shards, *other.shards))

    def batches(self, start: int = 0) -> Iterator[Batch]:
        """Batches `start`, `start` + 1, ... without end."""
        for one, other in zip(self.first.batches(start), self.second.batches(start), strict=True):
            yield replace(
                one,
                tiles_NCHW=torch.cat([one.tiles_NCHW, other.tiles_NCHW]),
                labels_NHW=torch.cat([one.labels_NHW, other.labels_NHW]),
                positions_N=torch.arange(len(one.keys) + len(other.keys)),
                keys=[*one.keys, *other.keys],
                bad=(*one.bad, *other.bad),
            )


def open_batches_of(
    planned: PlannedTraining, sources: Sources, config: UtilityConfig
) -> BatchSource:
    """The batches that a training sees; each arm has as many tiles a step."""
    data = config.data
    synthetic = data.synthetic_tiles_a_step
    if planned.arm == "synthetic":
        return _stream(sources.synthetic_for(planned), planned, config, tiles=data.global_batch)
    if planned.arm == "real+synthetic":
        return Mixture(
            first=_real(sources, planned, config, tiles=data.global_batch - synthetic),
            second=_stream(sources.synthetic_for(planned), planned, config, tiles=synthetic),
        )
    return _real(sources, planned, config, tiles=data.global_batch)


def _real(
    sources: Sources, planned: PlannedTraining, config: UtilityConfig, *, tiles: int
) -> ShardStream:
    chosen = Subset(sources.real.index, sources.rows(planned.share, planned.seed))
    return _stream(sources.real, planned, config, tiles=tiles, draws=chosen)


def _stream(
    reader: ShardReader, planned: PlannedTraining, config: UtilityConfig, *, tiles: int,
    draws: Subset | None = None,
) -> ShardStream:  # fmt: skip
    data = config.data
    jitter = data.control_stain_jitter if planned.arm == "augmentation" else data.stain_jitter
    return ShardStream(
        reader,
        global_batch=tiles,
        seed=planned.seed,
        crop=data.crop,
        stain_jitter=jitter,
        draws=draws,
        workers=data.workers,
    )
