"""The training loop. It knows nothing of files, clusters or metrics: observers do.

One generator forward serves both players of a step: the discriminator sees the tiles detached, then
the generator's own backward goes through the same graph.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import nn

from histosyn.config import TrainConfig
from histosyn.losses import LossTerm, Verdict, discriminator_terms, generator_terms
from histosyn.networks.discriminator import Features
from histosyn.networks.generator import draw_noise
from histosyn.players import Players
from histosyn.shards.stream import BadSample, Batch, ShardStream
from hpc.errors import TrainingDivergedError
from hpc.preemption import Reason
from hpc.randomness import key_of


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What both players look at in a step: `tiles_NCHW` float in [-1, 1], `labels_NHW` int64."""

    labels_NHW: torch.Tensor
    tiles_NCHW: torch.Tensor
    synthetic_NCHW: torch.Tensor


@dataclass(frozen=True, kw_only=True)
class Phase:
    """One player's turn: who judges, what is minimized, whose weights move, how often."""

    name: str
    optimizer: torch.optim.Optimizer
    judge: Callable[[Scene], Verdict]
    terms: tuple[LossTerm, ...]
    interval: int = 1


class Observer(Protocol):
    """Something that happens every so many steps: a report, a sample grid, a checkpoint."""

    interval: int

    def __call__(self, trainer: Trainer) -> None:
        """Look at the trainer after its step; every rank calls it."""
        ...


@dataclass(kw_only=True)
class StepFacts:
    """What a step met on this rank: losses by "phase/term", seconds without data, bad samples."""

    losses: dict[str, torch.Tensor]
    waited_seconds: float
    bad_samples: tuple[BadSample, ...]


class Trainer:
    """Plays the game from `step` to the configured number of steps."""

    def __init__(
        self, config: TrainConfig, stream: ShardStream, players: Players, device: torch.device
    ) -> None:
        self.config = config
        self.stream = stream
        self.players = players
        self.device = device
        self.step = 0
        self.facts: StepFacts | None = None
        # Why this step is the last for now, where somebody asked for it.
        self.stopped: Reason | None = None
        # What observers want back after a restart, by their names.
        self.carried: dict[str, Any] = {}
        self.phases = (
            Phase(
                name="discriminator",
                optimizer=players.discriminator_optimizer,
                judge=self._judge_together,
                terms=discriminator_terms(),
            ),
            Phase(
                name="generator",
                optimizer=players.generator_optimizer,
                judge=self._judge_for_generator,
                terms=generator_terms(config.loss),
            ),
        )

    @property
    def images_seen(self) -> int:
        """Tiles seen by all ranks together."""
        return self.step * self.config.data.global_batch

    @property
    def finished(self) -> bool:
        """Whether all configured steps are done."""
        return self.step >= self.config.run.steps

    def train(
        self,
        observers: tuple[Observer, ...] = (),
        agreed_stop: Callable[[], Reason | None] = lambda: None,
    ) -> None:
        """Train until finished, or until all ranks have agreed to stop.

        Observers are called after the steps their interval divides, and after the final one.
        """
        batches = self.stream.batches(start=self.step)
        while not self.finished and self.stopped is None:
            started = time.perf_counter()
            batch = next(batches)
            waited_seconds = time.perf_counter() - started
            losses = self._take_step(batch)
            self.step += 1
            self.facts = StepFacts(
                losses=losses, waited_seconds=waited_seconds, bad_samples=batch.bad
            )
            self.stopped = None if self.finished else agreed_stop()
            for observer in observers:
                if self.step % observer.interval == 0 or self.finished:
                    observer(self)

    def state(self) -> dict[str, Any]:
        """Everything that determines the future of this run, but for the configuration."""
        return {
            "step": self.step,
            "images_seen": self.images_seen,
            "players": self.players.state(),
            "carried": self.carried,
        }

    def load(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint's state."""
        self.step = state["step"]
        self.players.load(state["players"])
        self.carried = state.get("carried", {})

    def _take_step(self, batch: Batch) -> dict[str, torch.Tensor]:
        scene = self._set_scene(batch)
        losses: dict[str, torch.Tensor] = {}
        for phase in self.phases:
            if self.step % phase.interval == 0:
                losses |= self._play(phase, scene)
        self.players.ema.update(self.players.generator, self.step)
        return losses

    def _set_scene(self, batch: Batch) -> Scene:
        labels_NHW = batch.labels_NHW.to(self.device, non_blocking=True).long()
        tiles_NCHW = self._to_unit_range(batch.tiles_NCHW.to(self.device, non_blocking=True))
        keys = [
            key_of(self.config.run.seed, "noise", self.step, position)
            for position in batch.positions_N.tolist()
        ]
        height, width = labels_NHW.shape[1:]
        noise = draw_noise(keys, self.config.generator, height, width, self.device)
        with self._autocast():
            synthetic = self.players.shared_generator(labels_NHW, noise.to(tiles_NCHW.dtype))
        return Scene(labels_NHW=labels_NHW, tiles_NCHW=tiles_NCHW, synthetic_NCHW=synthetic)

    def _play(self, phase: Phase, scene: Scene) -> dict[str, torch.Tensor]:
        with self._autocast():
            verdict = phase.judge(scene)
            values = {term.name: term.compute(verdict) for term in phase.terms}
        loss = torch.stack([term.weight * values[term.name] for term in phase.terms]).sum()
        phase.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        phase.optimizer.step()
        return {f"{phase.name}/{name}": value.detach() for name, value in values.items()}

    def _judge_together(self, scene: Scene) -> Verdict:
        """One forward for real and synthetic tiles, as DistributedDataParallel wants it."""
        both = torch.cat([scene.tiles_NCHW, scene.synthetic_NCHW.detach().to(scene.tiles_NCHW)])
        features = self.players.shared_discriminator(both, scene.labels_NHW.repeat(2, 1, 1))
        real, synthetic = _halves(features)
        return Verdict(real=real, synthetic=synthetic)

    def _judge_for_generator(self, scene: Scene) -> Verdict:
        """Gradients reach the synthetic tiles, not the discriminator's weights."""
        discriminator = self.players.discriminator
        with _frozen(discriminator):
            synthetic = discriminator(scene.synthetic_NCHW, scene.labels_NHW)
            with torch.no_grad():
                real = discriminator(scene.tiles_NCHW, scene.labels_NHW)
        return Verdict(real=real, synthetic=synthetic)

    def _to_unit_range(self, tiles_uint8: torch.Tensor) -> torch.Tensor:
        dtype = torch.float64 if self.config.run.precision == "float64" else torch.float32
        return tiles_uint8.to(dtype) / 127.5 - 1

    def _autocast(self) -> AbstractContextManager[Any]:
        if self.config.run.precision != "bfloat16":
            return nullcontext()
        return torch.autocast(self.device.type, torch.bfloat16)


_REMEDY = (
    "Checkpoints hold only finite weights. Start a new run with lower learning rates (optimizer.*)."
)


def require_finite(losses: dict[str, float], step: int) -> None:
    """Raise TrainingDivergedError naming the step and the terms that are no longer finite."""
    broken = [name for name, value in losses.items() if not math.isfinite(value)]
    if broken:
        raise TrainingDivergedError(
            f"At step {step} the loss {' and '.join(broken)} is no longer finite. {_REMEDY}"
        )


def require_finite_weights(players: Players, step: int) -> None:
    """Raise TrainingDivergedError rather than let broken weights become a checkpoint."""
    for name, network in (
        ("generator", players.generator),
        ("discriminator", players.discriminator),
    ):
        if not torch.stack([weight.isfinite().all() for weight in network.parameters()]).all():
            raise TrainingDivergedError(
                f"After step {step} the {name} has weights that are no longer finite. {_REMEDY}"
            )


@contextmanager
def _frozen(network: nn.Module) -> Iterator[None]:
    network.requires_grad_(False)
    try:
        yield
    finally:
        network.requires_grad_(True)


def _halves(features: Features) -> tuple[Features, Features]:
    pairs = [[layer.chunk(2) for layer in scale] for scale in features]
    return (
        [[first for first, _ in scale] for scale in pairs],
        [[second for _, second in scale] for scale in pairs],
    )
