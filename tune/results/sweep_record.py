"""A sweep's folder as a record: what its page, its leaderboard and its table are drawn from.

It may be read while the sweep runs, and where there is no Ray.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from eval.report.gallery import picture_of_file
from eval.report.results_files import Finding, read_result
from histosyn.shards.dataset import open_shards
from hpc.errors import HistosynError
from hpc.run_state import RunState, read_state
from tune.plan.config import Sweep
from tune.plan.distributions import Choice, Distribution, Range
from tune.plan.objective import KINDS
from tune.plan.settings import SweepConfig
from tune.report.record import (
    Measure,
    Measurement,
    Setting,
    State,
    SweepRecord,
    Tissue,
    Trial,
)
from tune.results.repeats import repeats
from tune.results.rows import Row, collect, row_of

RESULT = "trials.json"
SAMPLES = "samples"
_GRID = re.compile(r"step-(\d{8,})\.png")
# The best and the defaults.
_PAIR = 2
# A run that lives says so more often.
_SILENT_SECONDS = 600.0
_WORDS = {
    "distance": "Fréchet distance",
    "faithfulness": "faithfulness",
    "c2st": "AUC of a classifier (C2ST)",
}
_STOPPING = {"asha": "ASHA", "median": "median stopping", "none": "none"}
_SAMPLERS = {"random": "random search", "grid": "grid search", "tpe": "TPE"}


def record_of(sweep: Sweep, now: datetime | None = None, *, pictures: bool = False) -> SweepRecord:
    """What is known of a sweep; with `pictures`, sample grids of the best and the defaults, too."""
    now = now or datetime.now(UTC)
    rows = collect(sweep)
    again = [row for row in repeats(sweep, rows) if _is_to_be(sweep, rows, row)]
    result, complaints = _result(sweep.sweep.folder / RESULT)
    ranks = {row.candidate.number: place for place, row in enumerate(
        (row for row in rows if row.ended_well), 1)}  # fmt: skip
    trials = [
        *(_trial(row, ranks.get(row.candidate.number), now) for row in rows),
        *(_trial(row, None, now) for row in again),
    ]
    settings = sweep.sweep
    record = SweepRecord(
        name=settings.folder.name,
        best_file=str(settings.folder / "best.toml"),
        measures=tuple(_measures(sweep, result)),
        settings=tuple(_setting(name, item) for name, item in sweep.space.items()),
        trials=tuple(trials),
        planned=settings.samples,
        planned_repeats=_PAIR * len(settings.repeat_best),
        search=_SAMPLERS[settings.sampler],
        stopping=_STOPPING[settings.stopping],
        device="cuda" if settings.gpus_per_trial else "cpu",
        notices=tuple(complaints),
        limits=_limits(result),
        provenance=_provenance(sweep, result),
        tissue=(),
    )
    return _with_tissue(record, sweep) if pictures else record


def _is_to_be(sweep: Sweep, rows: Sequence[Row], repeat: Row) -> bool:
    """Whether a repeat has begun, or will: which trial is the best may change until all ended."""
    settled = len(rows) == sweep.sweep.samples and all(row.status != "unfinished" for row in rows)
    return settled or bool(repeat.evaluations)


def trial_of(sweep: Sweep, number: int, seed: int | None, now: datetime | None = None) -> Trial:
    """A trial, or its repeat with a seed, by itself: without a rank.

    Raises ConfigError if it has not been suggested yet.
    """
    candidate = sweep.candidate(number)
    if seed is not None:
        candidate = sweep.candidate_of(sweep.repeat(number, seed))
    return _trial(row_of(sweep, candidate), None, now or datetime.now(UTC))


def _trial(row: Row, rank: int | None, now: datetime) -> Trial:
    training = row.candidate.training
    run = _run_state(training.run.folder)
    last = row.last.step if row.last is not None else 0
    step = max(last, run.step) if run is not None else last
    return Trial(
        number=row.candidate.number,
        values=dict(row.candidate.values),
        state=_state(row, run, now),
        origin=row.candidate.origin,
        seed=training.run.seed,
        repeats=row.candidate.repeats,
        reason=row.reason,
        rank=rank,
        objective=row.objective,
        measurements=tuple(
            Measurement(step=each.step, images_seen=each.images_seen, values=each.measured)
            for each in row.evaluations
        ),
        step=min(step, training.run.steps),
        steps=training.run.steps,
        process_seconds=run.process_seconds if run is not None else row.seconds or None,
        seconds_left=_seconds_left(row, run, now),
        precision=row.precision,
    )


def _run_state(folder: Path) -> RunState | None:
    with suppress(HistosynError, OSError):
        return read_state(folder)
    return None


def _state(row: Row, run: RunState | None, now: datetime) -> State:
    if row.status != "unfinished":
        return row.status
    if run is None:
        return "unfinished" if row.evaluations else "waiting"
    return "running" if _lives(run, now) else "unfinished"


def _lives(run: RunState, now: datetime) -> bool:
    """Whether the run says that it trains, and has said so lately."""
    return run.state == "running" and _age(run, now) < _SILENT_SECONDS


def _age(run: RunState, now: datetime) -> float:
    try:
        return (now - datetime.fromisoformat(run.updated)).total_seconds()
    except (ValueError, TypeError):
        return _SILENT_SECONDS


def _seconds_left(row: Row, run: RunState | None, now: datetime) -> float | None:
    """At the trial's mean pace so far, measurements included."""
    if row.status != "unfinished" or run is None or not run.step or not _lives(run, now):
        return None
    pace = run.process_seconds / run.world_size / run.step
    return max(pace * (run.steps - run.step) - _age(run, now), 0.0)


def _setting(name: str, item: Distribution) -> Setting:
    if isinstance(item, Choice):
        return Setting(name=name, choices=item.values)
    assert isinstance(item, Range)
    return Setting(name=name, low=item.low, high=item.high, logarithmic=item.logarithmic)


def _result(path: Path) -> tuple[Finding | None, list[str]]:
    """What the sweep wrote when it last ended, and what is wrong with it."""
    if not path.is_file():
        return None, []
    try:
        return read_result(path), []
    except (HistosynError, OSError) as error:
        return None, [str(error)]


def _measures(sweep: Sweep, result: Finding | None) -> Iterator[Measure]:
    told = result.settings.get("measures") if result is not None else None
    validation = result.inputs.get("validation") if result is not None else None
    n = validation.get("n") if isinstance(validation, dict) else None
    for name, config in sweep.objective.measures.items():
        facts = told.get(name) if isinstance(told, dict) else None
        yield Measure(
            name=name,
            words=_WORDS[name],
            how=_how(name, config, facts if isinstance(facts, dict) else {}),
            n=n if isinstance(n, int) else _tiles(sweep.sweep),
            lower_is_better=KINDS[name].better == "lower",
            weight=config.weight,
            yardstick=_yardstick(name, result),
        )


def _tiles(settings: SweepConfig) -> int:
    """How many tiles a measurement looks at, as far as the shards can be read from here."""
    try:
        return min(_samples(settings.validation), settings.evaluation_tiles)
    except (HistosynError, OSError):
        return settings.evaluation_tiles


@cache
def _samples(shards: Path) -> int:
    return len(open_shards(shards).index)


def _how(name: str, config: Any, facts: dict[str, Any]) -> str:
    """By which network, and which weights of it."""
    if name == "faithfulness":
        by = f"{config.score.replace('_', ' ')} by segmenter {Path(config.segmenter).name}"
    elif name == "c2st" and config.features != "network":
        by = f"{config.features} features, scale 1/{config.scale}"
    else:
        by = f"features of {facts.get('extractor') or Path(config.extractor).name}"
        by += f", scale 1/{config.scale}" if name == "c2st" else ""
    digest = facts.get("weights_sha256")
    return f"{by} (sha256 {str(digest)[:12]})" if digest else by


_YARDSTICKS = {
    "real_versus_real_floor": "real tiles to each other",
    "segmenter_on_real_tiles": "the segmenter on real tiles",
    "chance": "not told apart",
}


def _yardstick(name: str, result: Finding | None) -> tuple[float, str] | None:
    for number in result.numbers if result is not None else ():
        words = _YARDSTICKS.get(number.name)
        of = number.details.get("measure", "distance")
        if words is not None and of == name and number.value is not None:
            return number.value, words
    return None


def _limits(result: Finding | None) -> tuple[str, ...]:
    """What the sweep itself warned of; the page says of its own that the best is flattered."""
    found = result.warnings if result is not None else ()
    return tuple(text for text in found if "which flatters it" not in text)


def _provenance(sweep: Sweep, result: Finding | None) -> dict[str, list[tuple[str, str]]]:
    settings = sweep.sweep
    parts = {
        "Sweep": [
            ("folder", str(settings.folder)),
            ("search", f"{_SAMPLERS[settings.sampler]}, seed {settings.seed}"),
            ("early stopping", f"{_STOPPING[settings.stopping]}, not before step "
             f"{settings.grace_period:,} of {sweep.train.run.steps:,}"),
            ("trained on", str(sweep.train.data.shards)),
            ("measured on", f"{settings.validation}, every {settings.evaluate_every:,} steps"),
        ]
    }  # fmt: skip
    if result is None:
        return parts
    validation = result.inputs.get("validation")
    if isinstance(validation, dict) and isinstance(validation.get("content"), dict):
        content = validation["content"]
        text = f"{validation.get('n')} tiles, groups {validation.get('groups') or 'not known'}, "
        text += f"sha256 of {content.get('covers')} {content.get('sha256')}"
        parts["Sweep"].append(("validation tiles", text))
    told = result.settings.get("measures")
    rows = [(name, ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in facts.items()))
            for name, facts in (told.items() if isinstance(told, dict) else ())
            if isinstance(facts, dict)]  # fmt: skip
    versions = ", ".join(f"{name} {number}" for name, number in result.versions.items())
    return parts | {"Measures": rows, "Code": [("versions", versions)]}


def _with_tissue(record: SweepRecord, sweep: Sweep) -> SweepRecord:
    """With the last sample grids that the best and the defaults have in common.

    Without one in common, the last of each.
    """
    chosen = [trial for trial in (record.best, record.default) if trial is not None]
    trials = list({trial.number: trial for trial in chosen}.values())
    grids = [_grids(sweep, trial) for trial in trials]
    common = (
        max(set.intersection(*(set(found) for found in grids)), default=None) if grids else None
    )
    tissue, notices = [], []
    for trial, found in zip(trials, grids, strict=True):
        images = common if common is not None else max(found, default=None)
        if images is None:
            continue
        step, path = found[images]
        try:
            tissue.append(Tissue(trial=trial.number, step=step, images_seen=images,
                                 picture=picture_of_file(path, synthetic=True)))  # fmt: skip
        except (HistosynError, OSError) as error:
            notices.append(str(error))
    return replace(record, tissue=tuple(tissue), notices=(*record.notices, *notices))


def _grids(sweep: Sweep, trial: Trial) -> dict[int, tuple[int, Path]]:
    """Step and file of a trial's sample grids, by images seen."""
    folder = sweep.trial_folder(trial.number) / SAMPLES
    batch = sweep.candidate(trial.number).training.data.global_batch
    found = ((int(match[1]), path) for path in folder.glob("step-*.png")
             if (match := _GRID.fullmatch(path.name)))  # fmt: skip
    return {step * batch: (step, path) for step, path in found}
