"""Section `run`: how long, where and with what, for whatever is trained."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Literal, Protocol

from histosyn.config.bounds import require_at_least
from histosyn.config.data import DataConfig
from hpc.errors import ConfigError
from hpc.paths import settle_paths


@dataclass(frozen=True, kw_only=True)
class ResumableRunConfig:
    """What every run has, whatever it trains; a kind of training adds its own as RunConfig."""

    folder: Path = Path("runs/train")
    """The run's folder. If it holds a checkpoint, the run goes on from there."""
    steps: int = 20_000
    """Training steps."""
    seed: int = 0
    """Decides weights, data order, augmentation and noise."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to compute; auto takes the GPU if there is one."""
    precision: Literal["auto", "float32", "bfloat16", "float64"] = "float32"
    """bfloat16 is mixed precision; auto is that where the device computes it natively, and float32
    elsewhere, for as long as the run lasts; float64 is for tests."""
    convolutions: Literal["auto", "plain", "small_grids", "contiguous"] = "auto"
    """How gradients of convolutions are computed on CPUs, alike but for rounding; auto is what is
    fastest on the first start's kind of processor, for as long as the run lasts, and plain where
    the run is over soon."""
    channels_last: bool | None = None
    """Keep features of a pixel side by side in memory, which GPUs prefer. Unset: as `convolutions`,
    auto."""
    report_every: int = 20
    """Steps between reports in metrics.jsonl."""
    checkpoint_every: int = 500
    """Steps between checkpoints."""
    checkpoint_minutes: float = 10.0
    """Minutes after which one is due in between, to resume from; 0: none."""
    tensorboard: bool = False
    """Also write a log for TensorBoard, to tensorboard/ in the run's folder (extra tensorboard)."""
    wandb: bool = False
    """Also write one for Weights & Biases, offline, to wandb/ there (extra wandb)."""
    log_batches: bool = False
    """Write the names and digests of what each step saw to batches.jsonl."""
    keep_last: int = 2
    """Checkpoints to keep."""
    keep_every: int | None = None
    """Also keep every checkpoint whose step this divides."""
    hang_seconds: int = 900
    """End all processes when a step, or what one of them does between two, takes longer."""
    stop_seconds_before_end: int = 120
    """Save and stop so long before the SLURM job's time is over."""
    on_full_disk: Literal["stop", "retry"] = "stop"
    """Stop when a checkpoint does not fit on the disk, or go on and try again at the next one."""

    def __post_init__(self) -> None:
        settle_paths(self, "run")
        require_at_least(
            self, steps=1, report_every=1, checkpoint_every=1, keep_last=1, keep_every=1,
            hang_seconds=1, stop_seconds_before_end=0, checkpoint_minutes=0.0,
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class RunConfig(ResumableRunConfig):
    """How long, where and with what."""

    ema_decay: float = 0.999
    """Decay of the generator's moving average, which is what is shipped."""
    sample_every: int = 500
    """Steps between sample grids."""
    fork: Path | None = None
    """Run folder or checkpoint whose networks a new run starts from, at step 0."""
    updates: Literal["simultaneous", "alternating"] = "simultaneous"
    """One forward of each network serves both players; or each player's turn has its own."""
    tables_below: float | None = None
    """Compute γ and β for distinct neighbourhoods of labels where that costs less than this share
    of the work for all pixels, by a formula; 1 is what it was fitted for. Unset: as
    `convolutions`, auto."""
    table_costs: tuple[float, ...] | None = None
    """That formula's two constants: what a distinct neighbourhood of 3x3 labels costs, and what an
    addition over those of 5x5. Unset: as they were measured on the first start's device, for as
    long as the run lasts."""
    compile: bool = False
    """Compile the discriminator with torch.compile: starts slowly; on a GPU, try."""
    cuda_graphs: bool = False
    """Record a step once as a CUDA graph and start it as one thing, with γ and β for all pixels:
    for narrow networks on one GPU, whose steps are mostly the starting of kernels. Has not run on a
    GPU yet."""
    recalibrate_batches: int = 16
    """Batches that the moving average's batch statistics are counted on before it is used."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_at_least(
            self, sample_every=1, ema_decay=0.0, recalibrate_batches=0, tables_below=0.0
        )
        if self.ema_decay >= 1:
            raise ConfigError(f"run.ema_decay = {self.ema_decay} must lie in [0, 1).")
        costs = self.table_costs
        if costs is not None and not (len(costs) == 2 and all(0 <= it < inf for it in costs)):
            raise ConfigError(f"run.table_costs = {costs} must be two numbers, none below 0.")


class Settings(Protocol):
    """A configuration dataclass of anything that is trained: these sections, and its own."""

    @property
    def data(self) -> DataConfig:
        """What is trained on."""

    @property
    def run(self) -> ResumableRunConfig:
        """How long, where and with what."""

    @property
    def channels(self) -> int:
        """Of features at full resolution."""
