"""Recalibration: batch-norm statistics of the moving average, measured again before it is used.

An average of weights has no batch statistics: those of the network it averages belong to other
weights. So label maps of the data set, the same ones at every step, go through it with the same
noise, and their statistics are averaged (Izmailov et al., "Averaging weights leads to wider optima
and better generalization", UAI 2018, section 3.2). Ranks share the work, and count over all tiles.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice

import torch
from torch.nn.utils import parametrize

from histosyn.config.train import TrainConfig
from histosyn.networks.generator import Generator
from histosyn.networks.noise import Noise
from histosyn.networks.sync_batchnorm import SyncBatchNorm2d
from histosyn.shards.reader import ShardReader
from histosyn.shards.stream import ShardStream
from histosyn.stain.code import stain_code
from histosyn.training.step_inputs import autocast, keyed_noise, position_keys, to_float
from hpc.device_copies import sent
from hpc.preemption import Reason, StopRequested
from hpc.progress import ProgressLog, timed
from hpc.randomness import key_of
from hpc.topology import Topology

# Label maps, their positions in the global batch, and the stain codes of their tiles.
_Labels = tuple[torch.Tensor, list[int], torch.Tensor | None]


class Recalibration:
    """Counts statistics over `run.recalibrate_batches` global batches, once a step at most."""

    def __init__(
        self, config: TrainConfig, reader: ShardReader, topology: Topology, device: torch.device
    ) -> None:
        self.config = config
        self.reader = reader
        self.topology = topology
        self.device = device
        # Label maps and positions, read when first needed.
        self._kept: list[_Labels] = []
        # The step whose average has its statistics.
        self.done_at: int | None = None

    @torch.no_grad()
    def __call__(
        self,
        generator: Generator,
        step: int,
        asked: Callable[[], Reason | None] = lambda: None,
    ) -> None:
        """Give `generator` its statistics, unless that was done at this step; all ranks call it.

        Raises StopRequested when `asked`, after a batch, says that all ranks are to stop: the
        generator is left without statistics then.
        """
        batches = self.config.run.recalibrate_batches
        if self.is_done(step):
            return
        progress_log = ProgressLog("batch statistics", total=batches)
        with (
            timed(f"batch statistics of the average, {batches} batches"),
            _counting(generator),
            autocast(self.config, self.device),
        ):
            for done, (labels_NHW, noise) in enumerate(self._label_maps(), 1):
                generator(labels_NHW, noise)
                progress_log.update(done)
                if (reason := asked()) is not None:
                    raise StopRequested(reason)
        self.done_at = step

    def is_done(self, step: int) -> bool:
        """Whether the average of this step has its statistics, or is to have none counted."""
        return self.done_at == step or not self.config.run.recalibrate_batches

    def _label_maps(self) -> Iterator[tuple[torch.Tensor, Noise]]:
        """This rank's part of each batch, with its noise and its tiles' stain."""
        if not self._kept:
            self._kept = list(self._read())
        for number, (labels_NHW, positions, stain_NS) in enumerate(self._kept):
            keys = position_keys(self.config, "recalibration", number, positions)
            noise = keyed_noise(self.config, labels_NHW.shape[1:], keys, self.device)
            stain_NS = None if stain_NS is None else sent(stain_NS, self.device)
            yield labels_NHW.long(), replace(noise, stain=stain_NS)

    def _read(self) -> Iterator[_Labels]:
        """As they are trained on, in an order of their own."""
        data = self.config.data
        stream = ShardStream(
            self.reader,
            global_batch=data.global_batch,
            seed=key_of(self.config.run.seed, "recalibration"),
            topology=self.topology,
            crop=data.crop,
            augmented=data.augment,
            rare_class_threshold=data.rare_class_threshold,
            on_bad_sample=data.on_bad_sample,
        )
        for batch in islice(stream.batches(), self.config.run.recalibrate_batches):
            stain = self.config.generator.stain
            codes = stain_code(to_float(batch.tiles_NCHW, self.config)) if stain else None
            yield batch.labels_NHW, batch.positions_N.tolist(), codes


@contextmanager
def _counting(generator: Generator) -> Iterator[None]:
    """In training, but for the spectral norms, whose estimates are not to move."""
    norms = [module for module in generator.modules() if isinstance(module, SyncBatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the mean over all batches
    generator.train()
    for module in generator.modules():
        if isinstance(module, parametrize.ParametrizationList):
            module.eval()
    try:
        yield
    finally:
        generator.eval()
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
