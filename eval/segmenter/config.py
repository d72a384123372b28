"""The configuration of a segmenter's training. No torch here: `--help` lists these fields."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

# The command line resolves the annotations of inherited fields in this module.
from typing import Literal  # noqa: F401

from histosyn.config.bounds import require_at_least, require_at_most
from histosyn.config.data import DataConfig as TrainingDataConfig
from histosyn.config.run import ResumableRunConfig
from hpc.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class DataConfig(TrainingDataConfig):
    """What is trained on: as for a generator, but with stains jittered unless told otherwise."""

    stain_jitter: float = 0.1
    """More or less of each stain at random, by up to this share; 0.1 is plausible, 0.2 much."""


@dataclass(frozen=True, kw_only=True)
class NetworkConfig:
    """The U-Net's size."""

    base_channels: int = 24
    """Channels at full resolution; doubled at each coarser one."""
    max_multiplier: int = 8
    """Largest multiple of the base channels."""
    halvings: int = 4
    """How often the resolution is halved: a bottleneck cell sees 2^this pixels a side, and more."""

    def __post_init__(self) -> None:
        require_at_most(self, base_channels=4096, max_multiplier=1024, halvings=12)
        require_at_least(self, base_channels=2, max_multiplier=1, halvings=1)


@dataclass(frozen=True, kw_only=True)
class OptimizerConfig:
    """AdamW."""

    lr: float = 1e-3
    """Learning rate."""
    weight_decay: float = 1e-4
    """Share of the weights, times the learning rate, that each step takes off."""

    def __post_init__(self) -> None:
        require_at_least(self, lr=0.0, weight_decay=0.0)


@dataclass(frozen=True, kw_only=True)
class LossConfig:
    """Weights of the loss terms; 0 leaves a term out. Ignored pixels count in neither."""

    cross_entropy: float = 1.0
    """Per pixel: -log of the probability of the true class."""
    dice: float = 1.0
    """Per class: 1 - soft Dice over the global batch, which makes small classes count."""

    def __post_init__(self) -> None:
        require_at_least(self, cross_entropy=0.0, dice=0.0)
        if not (self.cross_entropy or self.dice):
            raise ConfigError("Of loss.cross_entropy and loss.dice one must be above 0.")


@dataclass(frozen=True, kw_only=True)
class RunConfig(ResumableRunConfig):
    """How long, where and with what."""

    folder: Path = Path("runs/segmenter")
    """The run's folder. If it holds a checkpoint, the run goes on from there."""
    steps: int = 4000
    """Training steps."""
    ema_decay: float = 0.99
    """Decay of the weights' moving average, which is what is shipped."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_at_least(self, ema_decay=0.0)
        if self.ema_decay >= 1:
            raise ConfigError(f"run.ema_decay = {self.ema_decay} must lie in [0, 1).")


@dataclass(frozen=True, kw_only=True)
class SegmenterConfig:
    """Everything that determines a segmenter's training."""

    data: DataConfig
    network: NetworkConfig = field(default_factory=NetworkConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    run: RunConfig = field(default_factory=RunConfig)

    @property
    def channels(self) -> int:
        """Of features at full resolution."""
        return self.network.base_channels
