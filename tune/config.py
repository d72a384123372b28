"""What a sweep is: a base configuration, a search space, and how to search. One TOML file.

[train.data]            # any setting of `histosyn train`: what all trials have in common
shards = "packed/train"

[search]                # dotted settings and what their values are drawn from
optimizer.generator_lr = { log_uniform = [1e-5, 1e-3] }

[sweep]
folder = "runs/sweeps/first"
validation = "packed/val"
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, cast

from histosyn.config.file import as_plain, differing_fields, from_dict, load_toml
from histosyn.config.train import TrainConfig, require_at_least, require_at_most
from hpc.errors import ConfigError
from hpc.paths import settle_paths
from tune.space import Distribution, draw, parse_space, with_values

_TABLES = ("train", "search", "sweep")


@dataclass(frozen=True, kw_only=True)
class SweepConfig:
    """How the search goes: table [sweep] of a sweep file."""

    validation: Path
    """Folder of shards on which trials are measured, such as packed/val."""
    folder: Path = Path("runs/sweeps/first")
    """The sweep's folder. If it holds an unfinished sweep, that goes on."""
    samples: int = 16
    """Number of trials. More may be asked for later; the first ones stay the same."""
    seed: int = 0
    """Decides the candidates, and the tiles and noise of the measurements."""
    evaluate_every: int = 500
    """Steps between measurements of a trial."""
    evaluation_tiles: int = 256
    """Validation tiles a measurement looks at, if there are so many."""
    grace_period: int = 1000
    """Steps before a trial may be stopped."""
    reduction_factor: float = 3.0
    """One in so many trials goes on after the grace period, and after each time as much again."""
    cpus_per_trial: int = 1
    """Cores for each trial; its loader processes share them."""
    gpus_per_trial: float = 0.0
    """GPUs for each trial; 0.5 lets two trials share one, 0 trains on the CPU."""
    max_concurrent: int | None = None
    """Most trials at a time. Default: as many as there are cores and GPUs for."""

    def __post_init__(self) -> None:
        settle_paths(self, "sweep")
        require_at_least(
            self, samples=1, evaluate_every=1, grace_period=1, cpus_per_trial=1,
            evaluation_tiles=2, gpus_per_trial=0, max_concurrent=1,
        )  # fmt: skip
        require_at_most(self, samples=100_000)
        if not (self.reduction_factor > 1 and math.isfinite(self.reduction_factor)):
            raise ConfigError(f"sweep.reduction_factor = {self.reduction_factor} must exceed 1.")
        if self.evaluate_every > self.grace_period:
            raise ConfigError(
                f"sweep.evaluate_every = {self.evaluate_every} is more than sweep.grace_period = "
                f"{self.grace_period}: a trial is judged by its last measurement. Lower it."
            )


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One trial to be: the values drawn for it, and the training run that they make."""

    number: int
    values: dict[str, Any]
    training: TrainConfig


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """A whole sweep file. Its paths are absolute: trials run in other folders, on other nodes."""

    train: TrainConfig
    space: dict[str, Distribution]
    sweep: SweepConfig

    def candidate(self, number: int) -> Candidate:
        """Trial `number` (0, 1, ...): a pure function of the sweep's seed, space and number.

        Raises ConfigError if values that are allowed one by one contradict each other.
        """
        values = draw(self.space, self.sweep.seed, number)
        config = with_values(self.train, values, f"candidate {number}")
        device: Literal["cpu", "cuda"] = "cuda" if self.sweep.gpus_per_trial else "cpu"
        run = replace(config.run, folder=self.trial_folder(number), device=device)
        return Candidate(number=number, values=values, training=replace(config, run=run))

    def best_training(self, number: int, precision: str | None = None) -> TrainConfig:
        """Candidate `number` as a training run of its own, on the base configuration's device, and
        in the precision that the trial was computed in."""
        config = self.candidate(number).training
        run = replace(config.run, folder=self.sweep.folder / "best", device=self.train.run.device,
                      precision=cast(Any, precision or config.run.precision))  # fmt: skip
        return replace(config, run=run)

    def trial_folder(self, number: int) -> Path:
        """The run folder of trial `number`."""
        return self.sweep.folder / "trials" / f"{number:04d}"

    def as_plain(self) -> dict[str, Any]:
        """Plain data that `sweep_from_dict` reads back as the same sweep."""
        return {
            "train": as_plain(self.train),
            "search": {field: item.as_plain() for field, item in self.space.items()},
            "sweep": as_plain(self.sweep),
        }

    def differences(self, other: Sweep) -> list[str]:
        """Dotted names of what differs from another sweep."""
        searched = sorted(self.space.keys() | other.space.keys())
        return [
            *(f"train.{name}" for name in differing_fields(self.train, other.train)),
            *(f"search.{name}" for name in searched
              if self.space.get(name) != other.space.get(name)),
            *(f"sweep.{name}" for name in differing_fields(self.sweep, other.sweep)),
        ]  # fmt: skip


def read_sweep(path: Path) -> Sweep:
    """Read a sweep file (TOML). Raises InputError or ConfigError naming the file and the key."""
    return sweep_from_dict(load_toml(path), str(path))


def sweep_from_dict(data: dict[str, Any], source: str) -> Sweep:
    """Build a sweep from plain data, strictly; `source` is what errors call it.

    Raises ConfigError for whatever would fail later: an unknown key or field, values that a field
    can't take, candidates that contradict themselves, a grace period longer than the training.
    """
    tables = _tables(data, source)
    train = _absolute(from_dict(TrainConfig, tables["train"], source, "train."))
    space = parse_space(tables["search"], train, f"{source} [search]")
    settings = from_dict(SweepConfig, tables["sweep"], source, "sweep.")
    if settings.grace_period > train.run.steps:
        raise ConfigError(
            f"{source}: sweep.grace_period = {settings.grace_period} is more than train.run.steps "
            f"= {train.run.steps}. Lower it; if they are equal, no trial is stopped early."
        )
    sweep = Sweep(
        train=train,
        space=space,
        sweep=replace(
            settings,
            folder=settings.folder.absolute(),
            validation=settings.validation.absolute(),
        ),
    )
    for number in range(settings.samples):
        sweep.candidate(number)
    return sweep


def _tables(data: dict[str, Any], source: str) -> dict[str, dict[str, Any]]:
    for name, table in data.items():
        if name not in _TABLES:
            near = get_close_matches(name, _TABLES, n=1)
            hint = f"did you mean [{near[0]}]?" if near else "known: [train], [search], [sweep]."
            raise ConfigError(f"{source}: unknown table [{name}]; {hint}")
        if not isinstance(table, dict):
            raise ConfigError(f"{source}: {name} must be a table, not {table!r}.")
    return {name: data.get(name, {}) for name in _TABLES}


def _absolute(config: TrainConfig) -> TrainConfig:
    features = config.loss.perceptual_network
    return replace(
        config,
        data=replace(config.data, shards=config.data.shards.absolute()),
        loss=replace(config.loss, perceptual_network=features and features.absolute()),
    )
