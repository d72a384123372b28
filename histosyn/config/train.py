"""The configuration of a training run: frozen dataclasses, read by `histosyn.config.file`.

All sections live here rather than beside what they configure, because `histosyn train --help` lists
them and must not import torch. The docstrings of the fields are what that help prints.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import Any, Literal, Protocol

from hpc.errors import ConfigError
from hpc.paths import settle_paths

PretrainedChoice = Literal["none", "efficientnet-lite0", "efficientnet-lite2"]
# Whole numbers above it are no longer told apart; of others every finite one means something.
_BEYOND_COUNTING = 1 << 53


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """What is trained on."""

    shards: Path
    """Folder of shards, such as packed/train."""
    global_batch: int = 8
    """Tiles a step, over all processes together."""
    crop: int | None = None
    """Train on random square crops of this many pixels. Default: whole tiles."""
    augment: bool = True
    """Flip and turn the tiles at random."""
    stain_jitter: float = 0.0
    """More or less of each stain at random, by up to this share; 0.1 is plausible, 0.2 much."""
    rare_class_threshold: float | None = None
    """Show tiles more often that hold a class found in a smaller share of the tiles than this."""
    workers: int = 1
    """Loader processes for each training process."""
    schema: str | None = None
    """Label schema of shards that histosyn did not pack: a built-in name or a TOML file."""
    on_bad_sample: Literal["error", "skip"] = "error"
    """Stop at a damaged sample, or show another in its place and list it in bad-samples.jsonl."""
    bad_share: float = 0.01
    """With skip: stop nevertheless when a larger share of the samples is bad."""
    stage_to: Path | None = None
    """Folder on the node's own disk to copy the shards to before training, such as $TMPDIR."""

    def __post_init__(self) -> None:
        # Each node has a place of its own for the copies.
        settle_paths(self, "data", later=("stage_to",))
        require_at_most(self, global_batch=1 << 20, workers=1024, crop=1 << 16)
        require_at_least(self, global_batch=1, workers=0, crop=1, stain_jitter=0.0, bad_share=0.0)
        for name in ("stain_jitter", "bad_share"):
            if getattr(self, name) >= 1:
                raise ConfigError(f"data.{name} = {getattr(self, name)} must lie in [0, 1).")
        if self.rare_class_threshold is not None and not 0 < self.rare_class_threshold <= 1:
            raise ConfigError(
                f"data.rare_class_threshold = {self.rare_class_threshold} must lie in (0, 1]."
            )


@dataclass(frozen=True, kw_only=True)
class GeneratorConfig:
    """The generator's size."""

    base_channels: int = 32
    """Channels at full resolution; doubled at each coarser one."""
    max_multiplier: int = 16
    """Largest multiple of the base channels."""
    upsamplings: int = 5
    """Doublings of the resolution: the coarsest grid has a cell for 2^this pixels a side."""
    label_channels: int = 128
    """Channels of the label embedding in each modulation."""
    noise_channels: int = 64
    """Noise channels; half are constant over an image, half vary from cell to cell."""
    modulation: Literal["spade", "class_table"] = "spade"
    """How labels steer features: by their 5x5 neighbourhood, or by a scale and shift per class."""
    entry: Literal["grid", "linear"] = "grid"
    """Noise on the coarsest grid, for any tile size; or one vector and a linear layer, for one."""
    grid_size: int | None = None
    """Cells a side of the coarsest grid; only for entry linear, which is made for this size."""
    pixel_noise: bool = True
    """Add noise to the features at each resolution, with a learned strength per channel."""
    upsampling: Literal["nearest", "bilinear"] = "bilinear"
    """How features are doubled: each repeated, which can leave a weave; or filtered."""
    border: Literal["zeros", "replicate", "reflect"] = "replicate"
    """What the features' convolutions see beyond the border of an image."""
    stain: bool = True
    """Take a tile's stain as an input: optical densities, the same all over an image."""
    recompute: bool = False
    """Compute each block again in the backward pass rather than keep its activations in memory."""

    def __post_init__(self) -> None:
        require_at_most(
            self, base_channels=4096, max_multiplier=1024, upsamplings=12, label_channels=4096,
            noise_channels=4096, grid_size=1024,
        )  # fmt: skip
        require_at_least(
            self, base_channels=1, max_multiplier=1, upsamplings=1, label_channels=1,
            noise_channels=2, grid_size=1,
        )  # fmt: skip
        if (self.entry == "linear") != (self.grid_size is not None):
            raise ConfigError(
                f"generator.entry = {self.entry} and generator.grid_size = {self.grid_size}: entry "
                "linear needs a grid_size (such as 8), and entry grid takes none."
            )

    @property
    def stride(self) -> int:
        """Pixels a side of a cell of the coarsest grid."""
        return 1 << self.upsamplings

    @property
    def fixed_side(self) -> int | None:
        """Pixels a side of the only tiles that entry linear can make; None: any size will do."""
        return None if self.grid_size is None else self.grid_size * self.stride


@dataclass(frozen=True, kw_only=True)
class DiscriminatorConfig:
    """The discriminator's kind and size."""

    kind: Literal["patch", "unet"] = "patch"
    """Score patches as real or synthetic; or tell each pixel's class, or that it is synthetic."""
    base_channels: int = 32
    """Channels of the first layer; doubled by each further one, up to 8 times."""
    layers: int = 4
    """Kind patch: convolutions before the one that gives the scores. Kind unet: halvings."""
    scales: int = 2
    """Kind patch: copies that look at the tile at full, half, ... resolution."""
    grain_channels: int = 16
    """Kind patch: channels of one more discriminator, of a few pixels at full resolution, whose
    matter is the finest detail; 0: none."""
    pretrained: PretrainedChoice | None = None
    """Kind patch: also judge the features of this frozen network, from an installed package.
    Unset: efficientnet-lite0 with kind patch, none with kind unet."""
    pretrained_channels: int = 48
    """Channels of the layers on such features, twice as many on the two deeper ones."""
    sees_labels: bool = True
    """Kind patch: judge whether the tile fits its label map; else only whether it looks real."""

    def __post_init__(self) -> None:
        require_at_most(self, base_channels=4096, layers=12, scales=8)
        require_at_most(self, pretrained_channels=4096, grain_channels=4096)
        require_at_least(
            self, base_channels=1, layers=1, scales=0, pretrained_channels=1, grain_channels=0
        )
        if self.pretrained is None:
            usual = "efficientnet-lite0" if self.kind == "patch" else "none"
            object.__setattr__(self, "pretrained", usual)
        if self.pretrained != "none" and self.kind != "patch":
            raise ConfigError(
                f"discriminator.pretrained = {self.pretrained} goes with kind patch, not "
                f"{self.kind}. Leave out one of them."
            )
        if self.kind == "patch" and not self.scales and self.pretrained == "none":
            raise ConfigError(
                "discriminator.scales = 0 leaves nothing that judges. Set it to 1 or more, or name "
                "a discriminator.pretrained network."
            )

    @property
    def frozen_network(self) -> str | None:
        """The pretrained network whose features are judged, if any are."""
        return None if self.pretrained == "none" else self.pretrained


@dataclass(frozen=True, kw_only=True)
class OptimizerConfig:
    """Adam for both players."""

    generator_lr: float = 4e-4
    """Learning rate of the generator."""
    discriminator_lr: float = 4e-4
    """Learning rate of the discriminator."""
    beta1: float = 0.0
    """Decay of the gradient's running mean."""
    beta2: float = 0.99
    """Decay of the squared gradient's running mean."""

    def __post_init__(self) -> None:
        require_at_least(self, generator_lr=0.0, discriminator_lr=0.0, beta1=0.0, beta2=0.0)
        if max(self.beta1, self.beta2) >= 1:
            raise ConfigError("optimizer.beta1 and optimizer.beta2 must lie in [0, 1).")


@dataclass(frozen=True, kw_only=True)
class LossConfig:
    """What the players minimize, and the weights of its terms; 0 leaves a term out."""

    objective: Literal["hinge", "least_squares"] = "hinge"
    """Discriminator kind patch: the adversarial loss of both players."""
    adversarial: float = 1.0
    """The generator's adversarial loss."""
    feature_matching: float = 5.0
    """Kind patch: distance of the discriminator's features of real and synthetic tiles."""
    stain: float = 1.0
    """With generator.stain: difference of the synthetic tile's stain from the one given."""
    perceptual: float = 0.0
    """Distance of a given network's features of real and synthetic tiles."""
    perceptual_pretrained: PretrainedChoice = "none"
    """That network: one whose weights come in an installed package, layer by layer."""
    perceptual_network: Path | None = None
    """Or a TorchScript file: from tiles in [-1, 1] to a tensor of features or a list of such."""
    perceptual_runs_code: bool = False
    """Run that file, which is a program: it can write files. Only for files of people you trust."""
    label_mix: float = 10.0
    """Kind unet: a tile mixed of real and synthetic regions is to be judged region by region."""
    class_weight_cap: float = 10.0
    """Kind unet: the most that a pixel of a rare class counts; one of an average class counts 1."""
    r1: float = 0.0
    """Penalty on the discriminator's gradient at real tiles."""
    r1_interval: int = 16
    """Steps between two computations of that penalty, which then counts so many times."""

    def __post_init__(self) -> None:
        settle_paths(self, "loss")
        require_at_least(
            self, adversarial=0.0, feature_matching=0.0, perceptual=0.0, label_mix=0.0,
            class_weight_cap=1.0, r1=0.0, r1_interval=1,
        )  # fmt: skip
        named = self.perceptual_pretrained != "none"
        if self.perceptual and not named and self.perceptual_network is None:
            raise ConfigError(
                f"loss.perceptual = {self.perceptual} needs loss.perceptual_pretrained, a network "
                "from a package, or loss.perceptual_network, a TorchScript file of one."
            )
        if named and self.perceptual_network is not None:
            raise ConfigError(
                "loss.perceptual_pretrained and loss.perceptual_network each name a network. Leave "
                "out one."
            )

    @property
    def frozen_network(self) -> str | None:
        """The pretrained network whose features are compared, if any are."""
        used = self.perceptual and self.perceptual_pretrained != "none"
        return self.perceptual_pretrained if used else None


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


def require_at_least(config: Any, **least: float) -> None:
    """Raise ConfigError if a field of a section is below its least value, or beyond all numbers."""
    for name, lowest in least.items():
        value = getattr(config, name)
        if value is not None and not value >= lowest:
            raise ConfigError(f"{_dotted(config, name)} = {value} must be at least {lowest}.")
    fractions = {name for name in least if isinstance(getattr(config, name), float)}
    finite = sys.float_info.max
    require_at_most(
        config, **{name: finite if name in fractions else _BEYOND_COUNTING for name in least}
    )


def require_at_most(config: Any, **most: float) -> None:
    """Raise ConfigError if a field of a section is above its largest value.

    These are limits of sense: a file from elsewhere must not ask for a network of 10^20 layers.
    """
    for name, largest in most.items():
        value = getattr(config, name)
        if value is not None and not value <= largest:
            raise ConfigError(f"{_dotted(config, name)} = {value} must be at most {largest}.")


def _dotted(config: Any, name: str) -> str:
    return f"{type(config).__name__.removesuffix('Config').lower()}.{name}"


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
