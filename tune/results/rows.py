"""Results of a sweep: a row for each trial, the best one, and how the numbers were made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from eval.features.tile_sources import TileArray
from eval.statistics.result import Number, Result
from tune.measuring.evaluation import Evaluator
from tune.measuring.measures import yardstick_of
from tune.plan.config import Candidate, Sweep
from tune.plan.objective import KINDS, Objective
from tune.plan.trial_folder import Ending, Evaluation, TrialFolder

_METHOD = (
    "at a trial's last measurement; moving average of the generator, label maps and noise as in "
    "all trials"
)
_HOW = {
    "distance": "squared Fréchet distance between Gaussians fitted to features, exact, float64, ",
    "faithfulness": "what a segmenter reads against the label maps, ",
    "c2st": "area under the ROC curve of a classifier, out of fold, ",
}
# As reports know it from sweeps that had no other measure.
_TOLD = {"distance": "frechet_distance"}
_FAMILY = "efficientnet-lite"


@dataclass(frozen=True, kw_only=True)
class Row:
    """A trial: its candidate, how it ended (and why), its measurements in order of steps, the
    precision it was computed in, once it has begun, and the seconds spent on it.

    `objective` is what it is ranked by: the value of the measure at its last measurement, or the
    weighted rank, from 0 for the best, among the trials that came as far. None unless it ended as
    it should.
    """

    candidate: Candidate
    status: Ending | Literal["unfinished"]
    reason: str | None
    evaluations: tuple[Evaluation, ...]
    precision: str | None
    seconds: float = 0.0
    objective: float | None = None
    best: Evaluation | None = None

    @property
    def last(self) -> Evaluation | None:
        """The last measurement, whatever became of the trial."""
        return self.evaluations[-1] if self.evaluations else None

    @property
    def ended_well(self) -> bool:
        """Whether it can be ranked."""
        return self.last is not None and self.status in ("finished", "stopped")

    @property
    def distance(self) -> float | None:
        """Its last distance, if it ended as it should and one was measured."""
        return self.last.distance if self.last is not None and self.ended_well else None

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "number": self.candidate.number,
            "folder": str(self.candidate.training.run.folder),
            "origin": self.candidate.origin,
            "seed": self.candidate.training.run.seed,
            "parameters": self.candidate.values,
            "status": self.status,
            "reason": self.reason,
            "precision": self.precision,
            "objective": self.objective,
            "distance": self.distance,
            "last": asdict(self.last) if self.last is not None else None,
            "best": asdict(self.best) if self.best is not None else None,
            "hours": self.seconds / 3600,
        }


def collect(sweep: Sweep) -> list[Row]:
    """All trials that have begun, or could, from their folders, best first.

    Those that came furthest come first, for others would have gone on changing; those that cannot
    be ranked last, in the order of their numbers.
    """
    known = [sweep.known_suggestion(number) for number in range(sweep.sweep.samples)]
    rows = [row_of(sweep, sweep.candidate_of(each)) for each in known if each is not None]
    peers: dict[int, list[Row]] = {}
    for row in rows:
        if row.last is not None and row.ended_well:
            place = 0 if sweep.earlier else sweep.place(row.last.step, row.last.images_seen)
            peers.setdefault(place, []).append(row)
    ranked = [row for place in sorted(peers, reverse=True)
              for row in _ranked(peers[place], sweep.objective)]  # fmt: skip
    return [*ranked, *(row for row in rows if not row.ended_well)]


def _ranked(peers: Sequence[Row], by: Objective) -> list[Row]:
    """Trials that came as far, with what they are compared by, best first."""
    values = [row.last.measured for row in peers if row.last is not None]
    costs = by.costs(values)
    objectives = costs if len(by.measures) > 1 else [by.value(each) for each in values]
    order = sorted(range(len(peers)), key=costs.__getitem__)
    return [replace(peers[place], objective=objectives[place]) for place in order]


def row_of(sweep: Sweep, candidate: Candidate) -> Row:
    """A trial from its folder, not compared with others."""
    folder = TrialFolder(candidate.training.run.folder)
    outcome, evaluations = folder.outcome(), tuple(folder.evaluations().values())
    costs = sweep.objective.costs([each.measured for each in evaluations])
    return Row(
        candidate=candidate,
        status=outcome.status if outcome else "unfinished",
        reason=outcome.reason if outcome else None,
        evaluations=evaluations,
        precision=folder.precision(),
        seconds=folder.seconds(),
        best=evaluations[costs.index(min(costs))] if costs else None,
    )


def summarize(sweep: Sweep, rows: list[Row], evaluator: Evaluator) -> Result:
    """The rows, best first, with all that made their numbers."""
    real = evaluator.real
    tiles = TileArray(name=real.name, tiles_NHWC=real.tiles_NHWC)
    measures = {
        name: {"better": KINDS[name].better} | measuring.facts()
        for name, measuring in evaluator.measures.items()
    }
    return Result(
        kind="sweep",
        inputs={
            "shards": str(sweep.train.data.shards),
            "validation": {
                "name": real.name,
                "n": len(tiles),
                "tile_size": list(real.tiles_NHWC.shape[1:3]),
                "groups": len(set(real.groups)) if None not in real.groups else None,
                "content": asdict(tiles.content()),
                "shards_sha256": [shard.sha256 for shard in evaluator.index.shards],
            },
        },
        settings={
            **sweep.as_plain(),
            # As sweeps told it that had no other measure.
            **{name: value for name, value in measures.get("distance", {}).items()
               if name != "better"},
            "measures": measures,
            "ranked_by": sweep.objective.told(),
            "seed": sweep.sweep.seed,
        },
        numbers=(
            *(_of_best(name, rows[0], len(tiles)) for name in measures),
            *(yardstick_of(name, each) for name, each in evaluator.measures.items()),
        ),
        warnings=tuple(_warnings(sweep, rows, evaluator)),
        tables={"trials": [row.as_json() for row in rows]},
    )  # fmt: skip


def _of_best(name: str, best: Row, n: int) -> Number:
    found = best.last.measured.get(name) if best.last is not None and best.ended_well else None
    return Number(
        name=f"{_TOLD.get(name, name)}_of_best_trial",
        value=found,
        n=n,
        method=_HOW[name] + _METHOD,
        reason=None if found is not None else "no trial ended with a measurement",
        details={"trial": best.candidate.number} if found is not None else {},
    )


def _warnings(sweep: Sweep, rows: list[Row], evaluator: Evaluator) -> Iterator[str]:
    for measuring in evaluator.measures.values():
        if (caveat := measuring.caveat()) is not None:
            yield caveat
    if _is_a_sibling(sweep.objective, sweep):
        yield (
            "The extractor took no part in training, but is a sibling of the network that did, "
            "trained on the same photographs: it may share its blind spots. Confirm the best with "
            "another, such as inception or a segmenter's."
        )
    ranked = sum(row.ended_well for row in rows)
    if ranked > 1:
        yield (
            f"The best value is the best of {ranked} on the same tiles, which flatters it. "
            "Report one that is measured on tiles that no trial has seen."
        )
    if not sweep.earlier and None in evaluator.real.groups:
        yield (
            "The patients of the validation tiles are not known: nothing says that they are others "
            "than those trained on. Pack with --groups."
        )
    precisions = sorted({row.precision for row in rows if row.precision is not None})
    if len(precisions) > 1 and "run.precision" not in rows[0].candidate.values:
        yield (
            f"Trials were computed in {' and '.join(precisions)}, by what their nodes compute "
            "natively, and differ by that as well. Name one as train.run.precision."
        )


def _is_a_sibling(objective: Objective, sweep: Sweep) -> bool:
    """Whether a network that measures is of the family of one that trains."""
    trains = {sweep.train.discriminator.frozen_network, sweep.train.loss.frozen_network}
    measures = {getattr(each, "extractor", None) for each in objective.measures.values()}
    return all(any(str(name).startswith(_FAMILY) for name in side) for side in (trains, measures))
