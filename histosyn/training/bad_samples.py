"""Damaged samples that a run went on without: counted over all ranks, logged, listed, limited."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from histosyn.shards.batch import BadSample
from histosyn.shards.index import DatasetIndex
from histosyn.training.steps import StepTrainer
from hpc import collectives
from hpc.deferred_writes import DeferredWrites
from hpc.errors import DatasetError
from hpc.log import RecordsFile, logger
from hpc.records import Count, Records, Text
from hpc.topology import Topology


@dataclass(frozen=True, kw_only=True)
class _Listed:
    """What is used of a line of `bad-samples.jsonl`."""

    step: Count
    shard: Text
    key: str


BAD_SAMPLES = Records(
    kind=_Listed, remedy="Running the same training command again goes on with what is sound."
)


class ListBadSamples:
    """Keeps `bad-samples.jsonl`: each sample that could not be used, the first time it came up.

    What the index had to leave out stands there from the start, as of step 0. Ranks gather theirs
    every `interval` steps; when more than `largest_share` of all samples are bad, all of them stop.
    """

    def __init__(
        self,
        listed: RecordsFile,
        deferred_writes: DeferredWrites,
        index: DatasetIndex,
        topology: Topology,
        *,
        interval: int,
        largest_share: float,
    ) -> None:
        self.listed = listed
        self.deferred_writes = deferred_writes
        self.topology = topology
        self.meeting_interval = interval
        self.largest_share = largest_share
        self.samples = len(index) + len(index.left_out)
        # Called after each step, to note what came up.
        self.interval = 1
        self._new: list[tuple[int, BadSample]] = []
        self._known = collectives.run_on_rank_0(self._listed_before)
        if self._known:
            self._judge()
        self._add(
            (0, BadSample(shard=item.shard, key=item.key, cause=item.cause, replaced_by=""))
            for item in index.left_out
        )

    def __call__(self, trainer: StepTrainer) -> None:
        """Note the bad samples of a step; at the end of an interval agree on them."""
        assert trainer.facts is not None
        self._new += [(trainer.step, sample) for sample in trainer.facts.batch.bad]
        if trainer.step % self.meeting_interval == 0 or trainer.finished:
            self.before_checkpoint(trainer)

    def before_checkpoint(self, trainer: StepTrainer) -> None:
        """Agree on what came up, so that none that a checkpoint has passed is missing."""
        self._add(item for part in collectives.gather_objects(self._new) for item in part)
        self._new = []

    def _add(self, items: Iterable[tuple[int, BadSample]]) -> None:
        before = len(self._known)
        for step, sample in sorted(items, key=lambda item: item[0]):
            name = (Path(sample.shard).name, sample.key)
            if name in self._known:
                continue
            self._known.add(name)
            if self.topology.is_first:
                record = {"step": step, **asdict(sample), "shard": name[0]}
                self.deferred_writes.write(self.listed.path, partial(self.listed.append, record))
                logger.warning("Bad sample: %s, %s: %s", *name, sample.cause)
        if len(self._known) > before:
            self._judge()

    def _judge(self) -> None:
        count = len(self._known)
        summary = f"{count} of {self.samples} samples ({count / self.samples:.2%}) cannot be used"
        if self.topology.is_first:
            logger.warning("%s; they are listed in %s", summary, self.listed.path)
        if count > self.largest_share * self.samples:
            raise DatasetError(
                f"{summary}, more than data.bad_share = {self.largest_share}. They are listed in "
                f"{self.listed.path}: repair the data set and remove the list, or raise "
                "data.bad_share knowing why."
            )

    def _listed_before(self) -> set[tuple[Any, Any]]:
        return {(record["shard"], record["key"]) for record in self.listed.sound()}
