"""What happens beside the training loop: reports, sample grids, checkpoints.

Every rank calls every observer, because some of them talk to all ranks; only rank 0 writes.
"""

from __future__ import annotations

import math
import resource
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from histosyn.config import as_plain
from histosyn.model_folder import ModelFacts
from histosyn.sample_grid import SampleGrid
from histosyn.trainer import Trainer, require_finite, require_finite_weights
from hpc import collectives
from hpc.log import RecordsFile, key_values, logger
from hpc.saver import Saver
from hpc.topology import Topology

_GIB = 1 << 30


class Report:
    """Averages what the steps measured and writes one object to `metrics.jsonl`."""

    def __init__(self, metrics: RecordsFile, topology: Topology, interval: int) -> None:
        self.metrics = metrics
        self.topology = topology
        self.report_interval = interval
        # Called after each step, to add it up.
        self.interval = 1
        self._forget()

    def __call__(self, trainer: Trainer) -> None:
        """Add up a step; at the end of an interval agree on the means and report them."""
        facts = trainer.facts
        assert facts is not None
        for name, value in facts.losses.items():
            self._losses[name].append(value)
        self._waited_seconds += facts.waited_seconds
        self._steps += 1
        if trainer.step % self.report_interval and not trainer.finished:
            return
        record = self._record(trainer)
        if self.topology.is_first:
            self.metrics.append(record)
            logger.info("%s", key_values({name: record[name] for name in _line(record)}))
        self._forget()
        require_finite(_losses_in(record), trainer.step)

    def _record(self, trainer: Trainer) -> dict[str, Any]:
        seconds = time.perf_counter() - self._started
        images = self._steps * trainer.config.data.global_batch
        remaining = trainer.config.run.steps - trainer.step
        return {
            "step": trainer.step,
            "images_seen": trainer.images_seen,
            **self._mean_losses(),
            "generator_lr": trainer.config.optimizer.generator_lr,
            "discriminator_lr": trainer.config.optimizer.discriminator_lr,
            "images_per_second": images / seconds,
            "images_per_second_per_rank": images / seconds / self.topology.world_size,
            "data_wait_share": self._waited_seconds / seconds,
            "peak_memory_gib": _peak_memory_gib(trainer.device),
            "eta_seconds": round(remaining * seconds / self._steps),
        }

    def _mean_losses(self) -> dict[str, float | None]:
        """Means over the interval's steps and all ranks; None where a mean isn't finite (JSON)."""
        names = sorted(self._losses)
        local = torch.stack([torch.stack(self._losses[name]).double().mean() for name in names])
        means = collectives.mean_over_ranks(local)
        return {
            f"loss/{name}": value if math.isfinite(value) else None
            for name, value in zip(names, means.tolist(), strict=True)
        }

    def _forget(self) -> None:
        self._losses: defaultdict[str, list[torch.Tensor]] = defaultdict(list)
        self._waited_seconds = 0.0
        self._steps = 0
        self._started = time.perf_counter()


class DrawSamples:
    """Writes `samples/step-*.png`: fixed label maps, fixed noise, the moving average's tissue."""

    def __init__(self, grid: SampleGrid, folder: Path, topology: Topology, interval: int) -> None:
        self.grid = grid
        self.folder = folder
        self.topology = topology
        self.interval = interval

    def __call__(self, trainer: Trainer) -> None:
        """Draw on rank 0; the others go on and wait at the next collective."""
        if self.topology.is_first:
            path = self.folder / f"step-{trainer.step:08d}.png"
            self.grid.draw(trainer.players.ema.network, path)


class SaveCheckpoint:
    """Hands the state to `saver`, which writes `checkpoints/step-*` while training goes on.

    `facts_at(step)` is what is to be known of the generator at a step.
    """

    def __init__(
        self,
        saver: Saver,
        facts_at: Callable[[int], ModelFacts],
        topology: Topology,
        interval: int,
    ) -> None:
        self.saver = saver
        self.facts_at = facts_at
        self.topology = topology
        self.interval = interval

    def __call__(self, trainer: Trainer) -> None:
        """Save on rank 0; all ranks hold the same state, and all refuse one that is not finite."""
        require_finite_weights(trainer.players, trainer.step)
        if self.topology.is_first:
            self.saver.save(trainer.step, checkpoint_state(trainer, self.facts_at(trainer.step)))


class ShowProgress:
    """Moves a progress bar on, a step at a time."""

    def __init__(self, move_to: Callable[[int], None]) -> None:
        self.move_to = move_to
        self.interval = 1

    def __call__(self, trainer: Trainer) -> None:
        """Show how many steps are done."""
        self.move_to(trainer.step)


def checkpoint_state(trainer: Trainer, facts: ModelFacts) -> dict[str, Any]:
    """All that a checkpoint holds."""
    return {
        "trainer": trainer.state(),
        "config": as_plain(trainer.config),
        "model": facts.as_dict(),
    }


def _line(record: dict[str, Any]) -> list[str]:
    """What a person follows in a job log; `metrics.jsonl` has the rest."""
    losses = [name for name in record if name.startswith("loss/")]
    return ["step", *losses, "images_per_second", "data_wait_share", "eta_seconds"]


def _losses_in(record: dict[str, Any]) -> dict[str, float]:
    return {
        name: math.nan if value is None else value
        for name, value in record.items()
        if name.startswith("loss/")
    }


def _peak_memory_gib(device: torch.device) -> float:
    """Peak of the device's memory on a GPU, of this process's resident memory on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / _GIB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / _GIB
