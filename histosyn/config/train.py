"""The configuration of a training run: frozen dataclasses, read by `histosyn.config.file`.

Its sections lie in this package rather than beside what they configure, because `histosyn train
--help` lists them and must not import torch. The docstrings of the fields are what it prints.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from histosyn.config.data import DataConfig
from histosyn.config.learning import LossConfig, OptimizerConfig
from histosyn.config.networks import DiscriminatorConfig, GeneratorConfig
from histosyn.config.run import RunConfig
from hpc.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Everything that determines a training run."""

    data: DataConfig
    generator: GeneratorConfig = field(default_factory=GeneratorConfig)
    discriminator: DiscriminatorConfig = field(default_factory=DiscriminatorConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    run: RunConfig = field(default_factory=RunConfig)

    def __post_init__(self) -> None:
        loss, patch = self.loss, self.discriminator.kind == "patch"
        if not (loss.adversarial or loss.perceptual or (patch and loss.feature_matching)):
            names = ["adversarial", *(["feature_matching"] if patch else []), "perceptual"]
            raise ConfigError(
                f"Of {', '.join(f'loss.{name}' for name in names)} one must be above 0."
            )
        if self.run.compile and loss.r1:
            raise ConfigError(
                f"loss.r1 = {loss.r1} differentiates the discriminator twice, which torch.compile "
                "cannot do. Set run.compile = false or loss.r1 = 0."
            )
        if self.run.cuda_graphs:
            _require_recordable(self)

    @property
    def channels(self) -> int:
        """Of features at full resolution."""
        return self.generator.base_channels


# What may differ between a run and its continuation: how long, how often, on which machine. The
# shards may lie elsewhere; that they are the same is told by their checksums.
RESUMABLE_CHANGES = frozenset(
    {f"data.{name}" for name in ("workers", "shards", "on_bad_sample", "bad_share", "stage_to")}
    | {"generator.recompute", "loss.perceptual_runs_code"}
    | {f"run.{name}" for name in ("folder", "steps", "device", "report_every", "sample_every",
                                  "checkpoint_every", "keep_last", "keep_every", "on_full_disk",
                                  "channels_last", "compile", "cuda_graphs",
                                  "checkpoint_minutes", "log_batches",
                                  "convolutions", "tables_below", "table_costs",
                                  "hang_seconds", "stop_seconds_before_end", "tensorboard",
                                  "wandb")}
)  # fmt: skip


def _require_recordable(config: TrainConfig) -> None:
    """Raise ConfigError for what a CUDA graph cannot hold: each of its steps is the same work."""
    run = config.run
    hindrances = {
        "run.compile": (run.compile, "false"),
        "run.updates": (run.updates != "simultaneous", "simultaneous"),
        "run.tables_below": (bool(run.tables_below), "0, or leave it open"),
        "loss.r1": (bool(config.loss.r1), "0"),
        "generator.modulation": (config.generator.modulation != "spade", "spade"),
        "generator.recompute": (config.generator.recompute, "false"),
        "discriminator.kind": (config.discriminator.kind != "patch", "patch"),
    }
    remedies = [f"{name} = {value}" for name, (hinders, value) in hindrances.items() if hinders]
    if remedies:
        raise ConfigError(
            "run.cuda_graphs = true records one step for all: "
            f"set {', '.join(remedies)}; or run.cuda_graphs = false."
        )
