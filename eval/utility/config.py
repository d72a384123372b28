"""The configuration of a utility experiment, `utility.toml`. No torch here."""

from __future__ import annotations

import re
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from eval.segmenter.config import LossConfig, NetworkConfig, OptimizerConfig
from histosyn.config.bounds import require_at_least, require_at_most
from histosyn.config.file import as_plain, as_toml, differing_fields, from_dict, load_toml
from hpc.errors import ConfigError
from hpc.files import sha256_of_bytes, write_text
from hpc.job_array import WHOLE, Part
from hpc.locks import locked
from hpc.paths import settle_paths
from hpc.temporary_names import remove_leftovers

Arm = Literal["real", "augmentation", "real+synthetic", "synthetic"]
ARMS: tuple[Arm, ...] = get_args(Arm)
Schedule = Literal["added", "replacing", "pretrained", "alone"]
SAVED_NAME = "config.toml"
# Stands for a seed's number in the name of a folder of synthetic tiles.
SEED = "{seed}"
# Stands for a share, such as 0.25, in the name of a folder of crossed synthetic tiles.
SHARE = "{share}"
# By so much of itself a ratio may be off because a step has whole tiles.
_RATIO_OFF = 1 / 3
# What may be added or changed while an experiment goes on: nothing that a number depends on.
RESUMABLE_CHANGES = frozenset(
    {"experiment.folder", "experiment.arms", "experiment.shares", "experiment.seeds"}
    | {f"crossed.{name}" for name in ("names", "shards", "schedules", "ratios", "strong",
                                      "control")}
    | {f"data.{name}" for name in ("real", "test", "synthetic", "synthetic_tiles",
                                   "synthetic_labels", "workers")}
    | {f"training.{name}" for name in ("device", "report_every", "checkpoint_every",
                                       "stop_seconds_before_end")}
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Tiles to learn from and to be tested on. All have the same classes and resolution."""

    real: Path
    """Folder of shards of real tiles to learn from, packed by patient, such as packed/train."""
    test: Path
    """Folder of shards of real tiles of other patients, such as packed/test."""
    synthetic: tuple[Path, ...] = ()
    """Folders of shards of synthetic tiles: one, or one for each of the shares of real data. {seed}
    in a name is each seed's number: the seed decides which patients a share holds."""
    synthetic_tiles: Path | None = None
    """In their place: a folder of synthetic tiles ..."""
    synthetic_labels: Path | None = None
    """... and the folder of the label maps they were made from; packed once, into the folder."""
    global_batch: int = 8
    """Tiles a step, in all arms."""
    synthetic_part: float = 0.5
    """Share of synthetic tiles in each step of the arm real+synthetic."""
    crop: int | None = None
    """Train on random square crops of this many pixels. Default: whole tiles."""
    stain_jitter: float = 0.0
    """Jitter of the stains in all arms but the control; flips and turns are in all arms."""
    control_stain_jitter: float = 0.2
    """Jitter of the stains in the arm augmentation, which sees real tiles only."""
    workers: int = 1
    """Loader processes."""

    def __post_init__(self) -> None:
        settle_paths(self, "data")
        require_at_least(self, global_batch=2, crop=1, stain_jitter=0.0, workers=0)
        require_at_most(self, global_batch=1 << 20, crop=1 << 16, workers=1024)
        for name in ("synthetic_part", "control_stain_jitter"):
            if not 0 < getattr(self, name) < 1:
                raise ConfigError(f"data.{name} = {getattr(self, name)} must lie in (0, 1).")
        if (self.synthetic_tiles is None) != (self.synthetic_labels is None):
            raise ConfigError("data.synthetic_tiles and data.synthetic_labels go together.")
        if self.synthetic and self.synthetic_tiles is not None:
            raise ConfigError(
                "Name the synthetic tiles once: data.synthetic for shards, or "
                "data.synthetic_tiles and data.synthetic_labels for folders."
            )
        if not 1 <= self.synthetic_tiles_a_step < self.global_batch:
            raise ConfigError(
                f"data.synthetic_part = {self.synthetic_part} of {self.global_batch} tiles leaves "
                "none of one kind. Choose another share or a larger data.global_batch."
            )

    @property
    def synthetic_by_seed(self) -> bool:
        """Whether seeds have synthetic tiles of their own."""
        return any(SEED in str(folder) for folder in self.synthetic)

    @property
    def synthetic_tiles_a_step(self) -> int:
        """How many tiles of a step are synthetic in the arm real+synthetic."""
        return round(self.global_batch * self.synthetic_part)


@dataclass(frozen=True, kw_only=True)
class ExperimentConfig:
    """What is compared, and what counts as no worse."""

    margin: float
    """Difference of mean Dice that would not matter, set before any result is seen."""
    folder: Path = Path("runs/utility")
    """Where all trainings and results go."""
    arms: tuple[Arm, ...] = ARMS
    """Which of real, augmentation, real+synthetic and synthetic. Real must be among them."""
    shares: tuple[float, ...] = (0.25, 0.5, 1.0)
    """Shares of the real patients to learn from: the learning curve."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """One training each: other weights, other order, other patients for shares below 1."""
    superiority_margin: float = 0.0
    """An arm is better if its mean Dice is shown to be larger by more than this."""
    replicates: int = 2000
    """Resamples for the intervals."""

    def __post_init__(self) -> None:
        settle_paths(self, "experiment")
        require_at_least(self, replicates=1, superiority_margin=0.0)
        if not 0 < self.margin < 1:
            raise ConfigError(f"experiment.margin = {self.margin} must lie in (0, 1).")
        if "real" not in self.arms:
            raise ConfigError("experiment.arms needs real: all others are compared with it.")
        for name in ("arms", "shares", "seeds"):
            values = getattr(self, name)
            if not values or len(set(values)) < len(values):
                raise ConfigError(f"experiment.{name} is empty or names one twice.")
        if not all(0 < share <= 1 for share in self.shares):
            raise ConfigError(f"experiment.shares = {list(self.shares)} must lie in (0, 1].")


@dataclass(frozen=True, kw_only=True)
class ArmPlan:
    """An arm: how synthetic tiles are learnt from (None: not at all), and of which set they are.

    `of` None is data.synthetic; `ratio`, synthetic tiles for each real one, None that of
    data.synthetic_part. `strong`: stains are jittered as in the arm augmentation, on both sides.
    """

    name: str
    schedule: Schedule | None
    of: str | None = None
    ratio: float | None = None
    strong: bool = False

    @property
    def uses_real(self) -> bool:
        """Whether real tiles are learnt from."""
        return self.schedule != "alone"

    @property
    def uses_synthetic(self) -> bool:
        """Whether synthetic tiles are learnt from."""
        return self.schedule is not None


@dataclass(frozen=True, kw_only=True)
class CrossedConfig:
    """More arms: each set of synthetic tiles in each schedule, ratio and augmentation."""

    names: tuple[str, ...] = ()
    """Sets of synthetic tiles by a word for each, such as same, new, selected."""
    shards: tuple[Path, ...] = ()
    """Their folders of shards, in the same order; {share} and {seed} in a name stand for those."""
    schedules: tuple[Schedule, ...] = ("added",)
    """added: to as many real tiles, in more steps; replacing: of each step, in as many steps;
    pretrained: first these, then the real ones; alone."""
    ratios: tuple[float, ...] = (1.0,)
    """Synthetic tiles for each real one."""
    strong: tuple[bool, ...] = (False,)
    """Whether stains are jittered by control_stain_jitter, in real and synthetic tiles."""
    control: str | None = None
    """One of the names, which the others are compared with besides real tiles: with the shards of
    the real tiles, so learnt from twice, it tells what more steps alone give."""

    def __post_init__(self) -> None:
        settle_paths(self, "crossed")
        if len(self.names) != len(self.shards):
            raise ConfigError("crossed.names and crossed.shards go together, one for each.")
        for name in ("names", "schedules", "ratios", "strong"):
            values = getattr(self, name)
            if len(set(values)) < len(values) or not (values or name == "names"):
                raise ConfigError(f"crossed.{name} is empty or names one twice.")
        if not all(0 < ratio <= 64 for ratio in self.ratios):
            raise ConfigError(f"crossed.ratios = {list(self.ratios)} must lie in (0, 64].")
        if bad := [name for name in self.names if not re.fullmatch(r"[\w.-]{1,40}", name)]:
            raise ConfigError(f"crossed.names: {bad[0]!r} is no word of letters and digits.")
        if self.control is not None and self.control not in self.names:
            raise ConfigError(
                f"crossed.control = {self.control!r} is none of crossed.names: "
                f"{', '.join(self.names) or 'there are none'}."
            )


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """How each segmenter is trained: the same in all arms."""

    steps: int = 2000
    """Training steps."""
    ema_decay: float = 0.99
    """Decay of the weights' moving average, which is what is tested."""
    precision: Literal["auto", "float32", "bfloat16", "float64"] = "float32"
    """bfloat16 is mixed precision; auto is that where the device of the first training computes it
    natively, and float32 elsewhere, for all trainings; float64 is for tests."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to compute; auto takes the GPU if there is one."""
    report_every: int = 50
    """Steps between reports in a training's metrics.jsonl."""
    checkpoint_every: int = 200
    """Steps between checkpoints."""
    stop_seconds_before_end: int = 120
    """Save and stop so long before the SLURM job's time is over."""

    def __post_init__(self) -> None:
        require_at_least(self, steps=1, report_every=1, checkpoint_every=1, ema_decay=0.0)


@dataclass(frozen=True, kw_only=True)
class UtilityConfig:
    """Everything that determines a utility experiment."""

    data: DataConfig
    experiment: ExperimentConfig
    network: NetworkConfig = field(default_factory=NetworkConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    crossed: CrossedConfig = field(default_factory=CrossedConfig)

    def __post_init__(self) -> None:
        self._check_arms()
        shares, shards = len(self.experiment.shares), len(self.data.synthetic)
        if shards not in (0, 1, shares):
            raise ConfigError(
                f"data.synthetic names {shards} folders for {shares} shares. Give one for all, or "
                "one for each, made by generators that saw no more than that share."
            )

    def synthetic_tiles_a_step(self, plan: ArmPlan) -> int:
        """How many tiles of a step are synthetic where both kinds are in each."""
        if plan.ratio is None:
            return self.data.synthetic_tiles_a_step
        batch = self.data.global_batch
        return min(max(round(batch * plan.ratio / (1 + plan.ratio)), 1), batch - 1)

    def _check_arms(self) -> None:
        data, crossed, arms = self.data, self.crossed, self.experiment.arms
        needed = any("synthetic" in arm for arm in arms)
        if needed and not data.synthetic and data.synthetic_tiles is None:
            raise ConfigError(
                "Name the synthetic tiles once: data.synthetic for shards, or "
                "data.synthetic_tiles and data.synthetic_labels for folders."
            )
        if crossed.names and True in crossed.strong and "augmentation" not in arms:
            raise ConfigError(
                "crossed.strong needs the arm augmentation: real tiles with the same jitter, which "
                "such arms are compared with. Add it to experiment.arms."
            )
        mixed = crossed.names and {"added", "replacing"} & set(crossed.schedules)
        for ratio in crossed.ratios if mixed else ():
            synthetic = self.synthetic_tiles_a_step(ArmPlan(name="", schedule="added", ratio=ratio))
            found = synthetic / (data.global_batch - synthetic)
            if abs(found / ratio - 1) > _RATIO_OFF:
                raise ConfigError(
                    f"crossed.ratios: {ratio:g} is not to be had with data.global_batch = "
                    f"{data.global_batch}: the nearest is {found:.3g}. Choose another batch; of 20 "
                    "tiles 4, 10 and 16 are ratios of 0.25, 1 and 4."
                )


def read_utility(path: Path) -> UtilityConfig:
    """Read `utility.toml`. Raises InputError or ConfigError naming the file and the field."""
    return from_dict(UtilityConfig, load_toml(path), str(path))


def saved_precision(folder: Path) -> str | None:
    """What the trainings of an experiment are computed in; None before it began."""
    path = folder / SAVED_NAME
    return read_utility(path).training.precision if path.exists() else None


def keep_settings(config: UtilityConfig) -> None:
    """Save the configuration of an experiment; the margin, above all, stays what it was.

    Raises ConfigError if the folder's experiment was started with other settings.
    """
    path = config.experiment.folder / SAVED_NAME
    if path.exists():
        before = read_utility(path)
        changed = sorted(set(differing_fields(before, config)) - RESUMABLE_CHANGES)
        if changed:
            raise ConfigError(
                f"{config.experiment.folder} was started with other settings: "
                f"{', '.join(changed)} changed ({_old_values(before, changed)}). Restore them to "
                "go on, or choose another experiment.folder."
            )
    remove_leftovers(config.experiment.folder)
    write_text(path, as_toml(config))


def experiment_lock(config: UtilityConfig, part: Part) -> AbstractContextManager[None]:
    """Who trains in the experiment's folder holds this.

    Parts of one experiment hold it together, if it was cut in as many. Raises InputError, which
    names the other, if another process works there.
    """
    folder = config.experiment.folder
    return locked(
        folder / ".lock",
        busy=f"Another process is working on the experiment in {folder}. Wait for it, give each "
        "process a part of its own (--part), or choose another experiment.folder.",
        risk=f"Let no other process work in {folder}, but for other parts.",
        work="" if part == WHOLE else sha256_of_bytes(f"{part.count}, {as_toml(config)}".encode()),
        share="" if part == WHOLE else str(part),
    )


def settings_lock(config: UtilityConfig) -> AbstractContextManager[None]:
    """Held while the settings are settled and saved: of parts that start together, by one."""
    folder = config.experiment.folder
    return locked(
        folder / ".settings.lock",
        busy=f"Another part is beginning in {folder}.",
        risk="Start one part before the others.",
        wait=True,
    )


def _old_values(before: UtilityConfig, names: list[str]) -> str:
    plain = as_plain(before)
    return ", ".join(
        f"{name} was {plain[section].get(field_name)}"
        for name in names
        for section, field_name in [name.split(".")]
    )
