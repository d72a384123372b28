"""How a search goes: table [sweep] of a sweep file."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from histosyn.config.bounds import require_at_least, require_at_most
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
    processes_per_trial: int = 1
    """Processes that train a trial together, as ranks of one group (DDP): on one node, or on
    several where none has room for all."""
    cpus_per_trial: int | None = None
    """Cores for each trial: its processes have equal shares, their loader processes among them.
    Default: one for each process."""
    gpus_per_trial: float = 0.0
    """GPUs for each trial; 0.5 lets two trials share one, 0 trains on the CPU. A trial of several
    processes has one for each, or none."""
    max_concurrent: int | None = None
    """Most trials at a time. Default: as many as there are cores and GPUs for."""

    def __post_init__(self) -> None:
        settle_paths(self, "sweep")
        require_at_least(
            self, samples=1, evaluate_every=1, grace_period=1, processes_per_trial=1,
            cpus_per_trial=1, evaluation_tiles=2, gpus_per_trial=0, max_concurrent=1,
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
        self._require_equal_shares()

    def _require_equal_shares(self) -> None:
        processes, cpus, gpus = self.processes_per_trial, self.cpus_per_trial, self.gpus_per_trial
        if cpus is not None and cpus % processes:
            raise ConfigError(
                f"sweep.cpus_per_trial = {cpus} cannot be shared evenly by the {processes} "
                f"processes of a trial (sweep.processes_per_trial). Choose a multiple of "
                f"{processes}, or leave it out: one for each."
            )
        if processes > 1 and gpus not in (0, processes):
            raise ConfigError(
                f"sweep.gpus_per_trial = {gpus:g}, but a trial has {processes} processes "
                f"(sweep.processes_per_trial), and each trains on a GPU of its own. Choose "
                f"{processes}, or 0 to train on the CPU."
            )

    @property
    def share_of_process(self) -> dict[str, float]:
        """What each process of a trial has, by the names of Ray's resources."""
        cpus = self.cpus_per_trial or self.processes_per_trial
        return {
            "CPU": cpus // self.processes_per_trial,
            "GPU": self.gpus_per_trial / self.processes_per_trial,
        }

    def trials_on(self, nodes: Iterable[Mapping[str, float]]) -> int:
        """How many trials these nodes have room for at a time, each given by its resources."""
        wanted = {kind: share for kind, share in self.share_of_process.items() if share}
        # Three times a third of a GPU are a whole one.
        places = (
            min(int(node.get(kind, 0) / share + 1e-6) for kind, share in wanted.items())
            for node in nodes
        )
        return sum(places) // self.processes_per_trial

    @property
    def needs(self) -> str:
        """What a trial asks for, in words."""
        processes, share = self.processes_per_trial, self.share_of_process
        cpus, gpus = share["CPU"], share["GPU"]
        if processes == 1:
            return f"{cpus:g} CPUs and {gpus:g} GPUs"
        return f"{processes} processes with {cpus:g} CPUs and {gpus:g} GPUs each"
