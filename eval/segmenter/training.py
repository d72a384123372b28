"""Training a segmenter: what a resumable run is to train."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch

from eval.segmenter.config import SegmenterConfig
from eval.segmenter.model import SegmenterFacts, save_segmenter
from eval.segmenter.trainer import SegmenterTrainer
from histosyn.models.files import trained_tile_size, training_facts
from histosyn.shards.stream import ShardStream
from histosyn.training.data import open_stream, stage_shards
from histosyn.training.resumable import run_resumable
from histosyn.training.steps import BatchSource, Observer, require_finite_weights
from hpc.deferred_writes import DeferredWrites
from hpc.preemption import StopRequest
from hpc.topology import Topology

# Tells a caller's own source of batches what it is trained with, and where.
OpenBatches = Callable[[SegmenterConfig, Topology], BatchSource]


def train_segmenter(
    config: SegmenterConfig,
    *,
    open_batches: OpenBatches = open_stream,
    facts: Mapping[str, Any] = {},
    stop: StopRequest | None = None,
) -> Path:
    """Train a segmenter, or go on from the newest valid checkpoint of the run's folder.

    Returns the path of its model; what it writes and raises is that of `run_resumable`. Batches
    come from the shards of the configuration unless `open_batches` says otherwise; `facts` are then
    what the model is to say of its training besides, `data_sha256` above all.
    """
    return run_resumable(
        config,
        partial(SegmenterTraining, open_batches=open_batches, facts=facts),
        folder_option="OUT",
        stop=stop,
    )


class SegmenterTraining:
    """The training of a U-Net on label maps, as a `Training`."""

    new_run = "a new run with another OUT"

    def __init__(
        self,
        config: SegmenterConfig,
        topology: Topology,
        device: torch.device,
        *,
        open_batches: OpenBatches,
        facts: Mapping[str, Any],
    ) -> None:
        self.config = config
        self.more_facts = facts
        self.topology = topology
        self.trainer = SegmenterTrainer(config, open_batches(config, topology), device)

    def begin(self) -> bool:
        """Nothing: every rank starts from the same seed."""
        return False

    def load(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.trainer.load(state["trainer"])

    def facts(self) -> dict[str, Any]:
        """What is to be known of the segmenter at this step."""
        return self._facts().as_dict()

    def comment(self) -> str:
        """Nothing."""
        return ""

    def stage(self, steps: range) -> None:
        """Copy the shards of these steps to the node's disk, if that is configured."""
        stream = self.trainer.stream
        if isinstance(stream, ShardStream):
            stage_shards(self.config.data, stream, steps, self.topology)

    def observers(self, deferred_writes: DeferredWrites) -> tuple[Observer[SegmenterTrainer], ...]:
        """None of its own."""
        return ()

    def prepare(self) -> None:
        """Nothing: its moving average is ready after each step."""

    @property
    def prepared(self) -> bool:
        """Always."""
        return True

    def require_finite_weights(self) -> None:
        """Of the U-Net."""
        require_finite_weights({"segmenter": self.trainer.network}, self.trainer.step)

    def ship(self, folder: Path) -> None:
        """Write the moving average as a model folder."""
        save_segmenter(folder, self.trainer.ema.network, self._facts())

    def _facts(self) -> SegmenterFacts:
        index = self.trainer.stream.index
        return SegmenterFacts(
            network=self.config.network,
            schema=index.schema,
            tile_size=trained_tile_size(self.config, index),
            mpp=index.mpp,
            training=training_facts(self.config, index, self.trainer.step) | dict(self.more_facts),
        )
