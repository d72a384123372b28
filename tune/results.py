"""Results of a sweep: a row for each trial, the best one, and how the numbers were made."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

from eval.distances.report import real_floor
from eval.statistics.result import Number, Result
from tune.config import Candidate, Sweep
from tune.evaluation import Evaluator
from tune.trial_folder import Ending, Evaluation, TrialFolder

_METHOD = (
    "squared Fréchet distance between Gaussians fitted to features, exact, float64, at a trial's "
    "last measurement; moving average of the generator, label maps and noise as in all trials"
)


@dataclass(frozen=True, kw_only=True)
class Row:
    """A trial: its candidate, how it ended (and why), its measurements in order of steps, and the
    precision it was computed in, once it has begun.
    """

    candidate: Candidate
    status: Ending | Literal["unfinished"]
    reason: str | None
    evaluations: tuple[Evaluation, ...]
    precision: str | None

    @property
    def last(self) -> Evaluation | None:
        """The last measurement, whatever became of the trial."""
        return self.evaluations[-1] if self.evaluations else None

    @property
    def distance(self) -> float | None:
        """What the trial is ranked by: its last distance, if it ended as it should."""
        ended_well = self.status in ("finished", "stopped")
        return self.last.distance if self.last is not None and ended_well else None

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        measured = [item for item in self.evaluations if item.distance is not None]
        best = min(measured, key=lambda item: item.distance or 0.0, default=None)
        return {
            "number": self.candidate.number,
            "folder": str(self.candidate.training.run.folder),
            "parameters": self.candidate.values,
            "status": self.status,
            "reason": self.reason,
            "precision": self.precision,
            "distance": self.distance,
            "last": asdict(self.last) if self.last is not None else None,
            "best": asdict(best) if best is not None else None,
        }


def collect(sweep: Sweep) -> list[Row]:
    """All trials from their folders, best first."""
    rows = [_row(sweep.candidate(number)) for number in range(sweep.sweep.samples)]
    # Stable: trials that can't be ranked come last, in the order of their numbers.
    return sorted(rows, key=lambda row: math.inf if row.distance is None else row.distance)


def summarize(sweep: Sweep, rows: list[Row], evaluator: Evaluator) -> Result:
    """The rows, best first, with all that made their numbers."""
    identity, real = evaluator.extractor.identity, evaluator.real
    best = rows[0]
    return Result(
        kind="sweep",
        inputs={
            "shards": str(sweep.train.data.shards),
            "validation": {
                "name": real.name,
                "n": real.n,
                "tile_size": real.tile_size,
                "content": asdict(real.content) if real.content is not None else None,
                "shards_sha256": [shard.sha256 for shard in evaluator.index.shards],
            },
        },
        settings={
            **sweep.as_plain(),
            "extractor": identity.name,
            "weights_sha256": identity.weights_sha256,
            "preprocessing": identity.preprocessing,
            "seed": sweep.sweep.seed,
        },
        numbers=(
            Number(
                name="frechet_distance_of_best_trial",
                value=best.distance,
                n=real.n or 0,
                method=_METHOD,
                reason=None if best.distance is not None else "no trial ended with a measurement",
                details={"trial": best.candidate.number} if best.distance is not None else {},
            ),
            real_floor(real, seed=sweep.sweep.seed),
        ),
        warnings=tuple(_warnings(rows, identity.caveat)),
        tables={"trials": [row.as_json() for row in rows]},
    )


def _row(candidate: Candidate) -> Row:
    folder = TrialFolder(candidate.training.run.folder)
    outcome = folder.outcome()
    return Row(
        candidate=candidate,
        status=outcome.status if outcome else "unfinished",
        reason=outcome.reason if outcome else None,
        evaluations=tuple(folder.evaluations().values()),
        precision=folder.precision(),
    )


def _warnings(rows: list[Row], caveat: str | None) -> Iterator[str]:
    if caveat is not None:
        yield caveat
    ranked = sum(row.distance is not None for row in rows)
    if ranked > 1:
        yield (
            f"The best distance is the lowest of {ranked} on the same tiles, which flatters it. "
            "Report one that is measured on tiles that no trial has seen."
        )
    precisions = sorted({row.precision for row in rows if row.precision is not None})
    if len(precisions) > 1 and "run.precision" not in rows[0].candidate.values:
        yield (
            f"Trials were computed in {' and '.join(precisions)}, by what their nodes compute "
            "natively, and differ by that as well. Name one as train.run.precision."
        )
