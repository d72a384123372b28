"""How a search goes: table [sweep] of a sweep file."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from histosyn.config.train import require_at_least, require_at_most
from hpc.errors import ConfigError
from hpc.paths import settle_paths

MOST_TRIALS = 100_000


@dataclass(frozen=True, kw_only=True)
class SweepConfig:
    """How the search goes: table [sweep] of a sweep file."""

    validation: Path
    """Folder of shards on which trials are measured, such as packed/val."""
    folder: Path = Path("runs/sweeps/first")
    """The sweep's folder. If it holds an unfinished sweep, that goes on."""
    sampler: Literal["random", "grid", "tpe"] = "random"
    """Where values come from: drawn; each combination of choices; or suggested by a model of the
    trials so far (TPE, extra tune: Optuna), after as many drawn ones as it needs."""
    samples: int = 16
    """Number of trials, the defaults and [[start]] among them; of a grid, unset, all. More may be
    asked for later; the first ones stay the same."""
    seed: int = 0
    """Decides the candidates, and the tiles and noise of the measurements."""
    repeat_best: tuple[int, ...] = ()
    """Seeds to train the best trial and the defaults with again, which tells how much of their
    difference is chance. Three or more tell something."""
    stopping: Literal["asha", "median", "none"] = "asha"
    """Which trials are stopped early: those that are not among the best of a rung (successive
    halving); those whose best is worse than the median of the others' means; or none."""
    evaluate_every: int = 500
    """Steps between measurements of a trial."""
    evaluation_tiles: int = 256
    """Validation tiles a measurement looks at, if there are so many."""
    grace_period: int = 1000
    """Steps before a trial may be stopped."""
    reduction_factor: float = 3.0
    """With asha: one in so many trials goes on after the grace period, and after so many times as
    many steps each."""
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
        require_at_most(self, samples=MOST_TRIALS)
        if len(set(self.repeat_best)) < len(self.repeat_best):
            raise ConfigError(
                f"sweep.repeat_best = {list(self.repeat_best)} names a seed twice. Each is another "
                "training."
            )
        if not (self.reduction_factor > 1 and math.isfinite(self.reduction_factor)):
            raise ConfigError(f"sweep.reduction_factor = {self.reduction_factor} must exceed 1.")
        if self.evaluate_every > self.grace_period:
            raise ConfigError(
                f"sweep.evaluate_every = {self.evaluate_every} is more than sweep.grace_period = "
                f"{self.grace_period}: a trial is judged by its last measurement. Lower it."
            )
