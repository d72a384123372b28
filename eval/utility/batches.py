"""The batches of an arm: real tiles of some patients, synthetic tiles, or both in each step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice

import torch

from eval.utility.arms import work_of
from eval.utility.config import ArmPlan, UtilityConfig
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
        return _together(self.first.index, self.second.index)

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


@dataclass(frozen=True, kw_only=True, eq=False)
class Sequel:
    """`steps` batches of the first source, and those of the second from there on."""

    first: BatchSource
    steps: int
    second: BatchSource

    @property
    def index(self) -> DatasetIndex:
        """All shards."""
        return _together(self.first.index, self.second.index)

    def batches(self, start: int = 0) -> Iterator[Batch]:
        """Batches `start`, `start` + 1, ... without end."""
        if start < self.steps:
            yield from islice(self.first.batches(start), self.steps - start)
        yield from self.second.batches(max(start - self.steps, 0))


def _together(one: DatasetIndex, other: DatasetIndex) -> DatasetIndex:
    return replace(one, shards=(*one.shards, *other.shards))


def open_batches_of(
    planned: PlannedTraining, sources: Sources, config: UtilityConfig
) -> BatchSource:
    """The batches that a training sees; each arm has as many tiles a step."""
    plan = sources.arm(planned)
    work = work_of(plan, config)

    def real(tiles: int) -> ShardStream:
        chosen = Subset(sources.real.index, sources.rows(planned.share, planned.seed))
        return _stream(sources.real, planned, plan, config, tiles=tiles, draws=chosen)

    def synthetic(tiles: int) -> ShardStream:
        return _stream(sources.synthetic_for(planned), planned, plan, config, tiles=tiles)

    if not work.real:
        return synthetic(work.synthetic)
    if work.synthetic:
        return Mixture(first=real(work.real), second=synthetic(work.synthetic))
    if work.before:
        return Sequel(first=synthetic(work.real), steps=work.before, second=real(work.real))
    return real(work.real)


def _stream(
    reader: ShardReader, planned: PlannedTraining, plan: ArmPlan, config: UtilityConfig, *,
    tiles: int, draws: Subset | None = None,
) -> ShardStream:  # fmt: skip
    data = config.data
    return ShardStream(
        reader,
        global_batch=tiles,
        seed=planned.seed,
        crop=data.crop,
        stain_jitter=data.control_stain_jitter if plan.strong else data.stain_jitter,
        draws=draws,
        workers=data.workers,
    )
