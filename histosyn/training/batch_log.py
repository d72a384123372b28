"""`batches.jsonl`: what each step saw, for who wants to check that two runs saw the same.

The lines are the same for any number of processes and loader workers, and through restarts.
"""

from __future__ import annotations

import hashlib
from functools import partial
from typing import Any

from histosyn.shards.batch import Batch
from histosyn.training.steps import StepTrainer
from hpc import collectives
from hpc.deferred_writes import DeferredWrites
from hpc.log import RecordsFile
from hpc.topology import Topology

_DIGITS = 16


class LogBatches:
    """One line a step: the samples of the global batch in order, by name and by sha256.

    A digest is that of a sample as the step saw it, cut and turned: of the bytes of its tile
    (uint8, C H W) with those of its label map behind. Ranks put their parts together every
    `interval` steps and before a checkpoint: no step that one holds is missing.
    """

    def __init__(
        self, file: RecordsFile, deferred_writes: DeferredWrites, topology: Topology, interval: int
    ) -> None:
        self.file = file
        self.deferred_writes = deferred_writes
        self.topology = topology
        self.meeting_interval = interval
        self.interval = 1
        self._mine: list[tuple[int, list[str], list[str]]] = []

    def __call__(self, trainer: StepTrainer) -> None:
        """Note a step; at the end of an interval write what was noted."""
        assert trainer.facts is not None
        batch = trainer.facts.batch
        self._mine.append((trainer.step, batch.keys, sample_digests(batch)))
        if trainer.step % self.meeting_interval == 0 or trainer.finished:
            self.before_checkpoint(trainer)

    def before_checkpoint(self, trainer: StepTrainer) -> None:
        """Put all ranks' parts together and write them; every rank calls it."""
        parts = collectives.gather_objects(self._mine)
        self._mine = []
        if self.topology.is_first:
            records = [_record(of_ranks) for of_ranks in zip(*parts, strict=True)]
            self.deferred_writes.write(self.file.path, partial(self.file.append, *records))


def sample_digests(batch: Batch) -> list[str]:
    """The first digits of the sha256 of each sample's pixels and labels."""
    tiles, labels = batch.tiles_NCHW.numpy(), batch.labels_NHW.numpy()
    return [
        hashlib.sha256(tile.tobytes() + label.tobytes()).hexdigest()[:_DIGITS]
        for tile, label in zip(tiles, labels, strict=True)
    ]


def _record(of_ranks: tuple[tuple[int, list[str], list[str]], ...]) -> dict[str, Any]:
    """A step's line from what each rank saw, in the order of ranks: that of the global batch."""
    return {
        "step": of_ranks[0][0],
        "samples": [name for _, names, _ in of_ranks for name in names],
        "sha256": [digest for _, _, digests in of_ranks for digest in digests],
    }
