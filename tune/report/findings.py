"""What a sweep found: everything that is computed from a record, once, for the page and as data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from eval.statistics.result import Number, Result
from hpc.errors import InputError
from tune.report.hours import Cost, costs_of, unit_of
from tune.report.importance import Importances, importances_of
from tune.report.record import SweepRecord, Trial
from tune.report.spread import Noise, Spread, noise_of, spread_of


@dataclass(frozen=True, kw_only=True, eq=False)
class Findings:
    """A sweep and what was computed of it; `importances` is a sentence where there are none."""

    record: SweepRecord
    spreads: list[Spread]
    noises: dict[str, Noise]
    importances: Importances | str
    costs: list[Cost]

    @property
    def spent(self) -> float:
        """Hours times processes of all trials."""
        return sum(cost.spent for cost in self.costs)

    @property
    def saved(self) -> float:
        """Those that trials which ended early have not taken."""
        return sum(cost.saved for cost in self.costs)

    def as_result(self) -> Result:
        """The numbers, each with how it was made."""
        record = self.record
        return Result(
            kind="sweep report",
            inputs={"sweep": record.name, **{part: dict(rows) for part, rows
                                             in record.provenance.items()}},
            settings={"search": record.search, "stopping": record.stopping,
                      "searched": [setting.name for setting in record.settings]},
            numbers=tuple(self._numbers()),
            warnings=(*record.notices, *record.limits),
            tables={"trials": [_plain(trial) for trial in record.ranked]},
        )  # fmt: skip

    def _numbers(self) -> Iterator[Number]:
        yield from best_and_defaults(self.record)
        yield from (spread.difference for spread in self.spreads)
        for name, noise in self.noises.items():
            yield Number(
                name=f"{name}_noise", value=noise.deviation, n=noise.runs,
                method="standard deviation of runs of one setting with other seeds, pooled",
                details={"reach": noise.reach, "alike": noise.alike, "others": noise.others},
            )  # fmt: skip
        if isinstance(self.importances, Importances):
            yield self.importances.skill
            yield from (number for _, number in self.importances.settings)
        method = "seconds times processes, from state.json of each trial"
        unit = unit_of(self.record).replace("-", "_")
        yield Number(name=f"{unit}_spent", value=self.spent, n=len(self.costs), method=method)
        yield Number(name=f"{unit}_saved", value=self.saved, n=len(self.costs),
                     method=f"{method}: remaining steps of trials that ended early, at their own "
                     "seconds a step")  # fmt: skip


def findings_of(record: SweepRecord, seed: int = 0) -> Findings:
    """Compute all of it: seconds of work, the forests of the importance."""
    found = [(one, spread_of(record, one), noise_of(record, one)) for one in record.measures]
    try:
        importances = importances_of(record, seed)
    except InputError as error:
        importances = str(error)
    return Findings(
        record=record,
        spreads=[spread for _, spread, _ in found if spread is not None],
        noises={one.name: noise for one, _, noise in found if noise is not None},
        importances=importances,
        costs=costs_of(record),
    )


def best_and_defaults(record: SweepRecord) -> Iterator[Number]:
    """What the best trial and the defaults measured last, by measure."""
    for name, trial in (("best", record.best), ("defaults", record.default)):
        if trial is None or trial.last is None:
            continue
        for measure in record.measures:
            if measure.name in trial.last.values:
                yield Number(
                    name=f"{measure.name}_of_{name}",
                    value=trial.last.values[measure.name],
                    n=measure.n,
                    method=f"{measure.words}, {measure.how}",
                    details={"trial": trial.number, "images_seen": trial.last.images_seen,
                             "seed": trial.seed, "yardstick": measure.yardstick},
                )  # fmt: skip


def _plain(trial: Trial) -> dict[str, object]:
    return {
        "rank": trial.rank,
        "number": trial.number,
        "state": trial.state,
        "objective": trial.objective,
        "values": trial.values,
        "images_seen": None if trial.last is None else trial.last.images_seen,
    }
