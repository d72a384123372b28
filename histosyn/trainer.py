"""The training loop. It knows nothing of files, clusters or metrics: observers do.

One generator forward serves both players of a step: the discriminator sees the tiles detached, then
the generator's own backward goes through the same graph.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from histosyn.config import TrainConfig
from histosyn.losses import LossTerm, Verdict, discriminator_terms, generator_terms
from histosyn.networks.discriminator import Features
from histosyn.networks.generator import draw_noise
from histosyn.players import Players
from histosyn.shards.stream import Batch, ShardStream
from histosyn.steps import StepTrainer
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


class Trainer(StepTrainer):
    """Plays the game from `step` to the configured number of steps."""

    config: TrainConfig
    stream: ShardStream

    def __init__(
        self, config: TrainConfig, stream: ShardStream, players: Players, device: torch.device
    ) -> None:
        super().__init__(config, stream, device)
        self.players = players
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

    def learning_rates(self) -> dict[str, float]:
        """Those of both players, which stay as configured."""
        settings = self.config.optimizer
        return {
            "generator_lr": settings.generator_lr,
            "discriminator_lr": settings.discriminator_lr,
        }

    def take_step(self, batch: Batch) -> dict[str, torch.Tensor]:
        """Play each player's turn; losses by "phase/term"."""
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
