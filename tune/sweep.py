"""A sweep from its file to its best configuration; running it again goes on where it stopped.

FOLDER/sweep.json      the effective sweep
FOLDER/trials/0000/    run folders, each with trial.json (what it is), evaluations.jsonl and, at its
                       end, outcome.json
FOLDER/repeats/0003-seed-1/  the same, of the best and the defaults with other seeds
FOLDER/best.toml       the best trial's configuration, for `histosyn train --config`
FOLDER/trials.json     all trials and how their numbers were made
FOLDER/report.html     the same for people, with report.json and leaderboard.csv
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from eval.statistics.result import Result
from histosyn.config.earlier import going_on
from histosyn.config.file import as_toml
from histosyn.config.train import RESUMABLE_CHANGES
from histosyn.shards.dataset import open_shards
from hpc.errors import ConfigError, DatasetError, HistosynError
from hpc.extras import missing_extra
from hpc.files import write_json, write_text
from hpc.locks import locked
from hpc.log import logger
from hpc.run_folder_names import SWEEP
from hpc.temporary_names import remove_leftovers
from tune.measuring.evaluation import Evaluator
from tune.plan.config import Sweep
from tune.plan.saved_sweep import VALIDATION_SHA256, as_begun, saved_plain
from tune.plan.trial_folder import TrialFolder
from tune.ray_cluster.environment import prepare
from tune.results.repeats import numbers_of_repeats, repeats, to_repeat
from tune.results.reporting import write_report
from tune.results.rows import Row, collect, summarize
from tune.results.sweep_record import RESULT
from tune.search.tpe import require_optuna

# What may differ when a sweep goes on: how many trials, on which machine, what does not matter.
_RESUMABLE = frozenset(
    {
        f"sweep.{name}"
        for name in (
            "folder",
            "samples",
            "sampler",
            "repeat_best",
            "processes_per_trial",
            "cpus_per_trial",
            "gpus_per_trial",
            "max_concurrent",
        )
    }
    | {f"train.{name}" for name in RESUMABLE_CHANGES - {"run.steps"}}
)

_MOST_NAMED = 3


def run_sweep(sweep: Sweep) -> Result:
    """Run the trials that haven't ended yet, then write `best.toml`, `trials.json` and the report.

    Raises ConfigError if the folder holds another sweep, DatasetError if the data sets do not fit
    together, InputError if Ray is missing or has no room, HistosynError if no trial succeeded.
    """
    if sweep.sweep.sampler == "tpe":
        require_optuna()
    evaluator = Evaluator(sweep.sweep, sweep.objective, torch.device("cpu"))
    _require_fitting(sweep, evaluator)
    folder = sweep.sweep.folder
    with locked(
        folder / ".lock",
        busy=f"Another process is running the sweep in {folder}. Wait for it, or choose another "
        "sweep.folder.",
        risk=f"Let no other process sweep in {folder}.",
    ):
        return _run_alone(sweep, evaluator)


def _run_alone(sweep: Sweep, evaluator: Evaluator) -> Result:
    remove_leftovers(sweep.sweep.folder)
    sweep = _claim_folder(sweep, evaluator.index.identity)
    beware = _groups_of_both(sweep, evaluator)
    waiting = [
        number
        for number in range(sweep.sweep.samples)
        if TrialFolder(sweep.trial_folder(number)).is_open
    ]
    logger.info("%s: %d of %d trials to run", sweep.sweep.folder, len(waiting),
                sweep.sweep.samples)  # fmt: skip
    if waiting or to_repeat(sweep):
        for text in beware:
            logger.warning("%s", text)
        _run(sweep, waiting)
    rows = collect(sweep)
    again = repeats(sweep, rows)
    result = _with_repeats(summarize(sweep, rows, evaluator), sweep, again)
    result = replace(result, warnings=(*result.warnings, *beware))
    _write_best(sweep, rows[0])
    result.save(sweep.sweep.folder / RESULT)
    write_report(sweep)
    if not rows[0].ended_well:
        raise HistosynError(_nothing_succeeded(rows))
    return result


def _with_repeats(result: Result, sweep: Sweep, again: Sequence[Row]) -> Result:
    if not again:
        return result
    return replace(
        result,
        numbers=(*result.numbers, *numbers_of_repeats(sweep, again)),
        tables=result.tables | {"repeats": [row.as_json() for row in again]},
    )


def _run(sweep: Sweep, numbers: Sequence[int]) -> None:
    prepare()
    try:
        # Here, because Ray takes seconds to import, and is an extra that may be missing.
        from tune.trials.runner import run_trials
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "ray":
            raise
        raise missing_extra("A sweep", "Ray", "tune", error) from error
    run_trials(sweep, numbers)


def _require_fitting(sweep: Sweep, evaluator: Evaluator) -> None:
    """DatasetError unless all that is trained on has the classes of what trials are measured on."""
    for shards in _trained_on(sweep):
        schema, expected = open_shards(shards).index.schema, evaluator.index.schema
        if schema != expected:
            raise DatasetError(
                f"{shards} has label schema {schema.name}, but {sweep.sweep.validation} has "
                f"{expected.name}, or other classes. Pack both with the same schema."
            )


def _groups_of_both(sweep: Sweep, evaluator: Evaluator) -> list[str]:
    """A warning for each data set that shares groups with the one that trials are measured on."""
    found = []
    for shards in _trained_on(sweep):
        trained, measured = open_shards(shards).index.table, evaluator.index.table
        if both := sorted(trained.groups() & measured.groups()):
            more = f" and {len(both) - _MOST_NAMED} more" if len(both) > _MOST_NAMED else ""
            found.append(
                f"{shards} and {sweep.sweep.validation} share groups (patients, slides): "
                f"{', '.join(both[:_MOST_NAMED])}{more}. If these are the same ones, trials are "
                "measured on what they were trained on: pack both at once, with --groups and --val."
            )
    return found


def _trained_on(sweep: Sweep) -> list[Path]:
    """The data sets of all candidates; those that a model suggests have the same to choose from."""
    numbers = range(sweep.sweep.samples)
    suggested = [sweep.suggestion(number) or sweep.drawn(number) for number in numbers]
    return sorted({sweep.candidate_of(each).training.data.shards for each in suggested})


def _claim_folder(sweep: Sweep, validation: str) -> Sweep:
    """Note the sweep in its folder; ConfigError if the folder is another sweep's.

    Returns it as it was begun: one of an older version goes on without what that did not have. The
    validation shards, whose digest `validation` is, may lie elsewhere than before.
    """
    path = sweep.sweep.folder / SWEEP
    if path.is_file():
        saved = saved_plain(path)
        may_change = _RESUMABLE
        if saved.pop(VALIDATION_SHA256, None) == validation:
            may_change |= {"sweep.validation"}
        sweep = replace(sweep, train=going_on(sweep.train, saved["train"]))
        begun = as_begun(saved, path)
        changed = [name for name in begun.differences(sweep) if name not in may_change]
        if changed:
            raise ConfigError(
                f"{sweep.sweep.folder} holds a sweep with other settings: {', '.join(changed)} "
                "changed. Restore them to go on, or choose another sweep.folder."
            )
    write_json(path, {**sweep.as_plain(), VALIDATION_SHA256: validation})
    return sweep


def _write_best(sweep: Sweep, best: Row) -> None:
    path: Path = sweep.sweep.folder / "best.toml"
    if not best.ended_well or best.last is None:
        path.unlink(missing_ok=True)
        return
    number = best.candidate.number
    values = ", ".join(f"{name} {value:.6g}" for name, value in best.last.measured.items())
    origin = (
        f"# The best of {sweep.sweep.samples} trials of `histosyn tune`: number {number}, by\n"
        f"# {sweep.objective.told()}.\n"
        f"# After {best.last.step} steps: {values}.\n"
        "# trials.json beside this file says how it was measured.\n\n"
    )
    write_text(path, origin + as_toml(sweep.best_training(number, best.precision)))


def _nothing_succeeded(rows: list[Row]) -> str:
    first = next((row for row in rows if row.reason is not None), rows[0])
    return (
        f"None of {len(rows)} trials succeeded. Trial {first.candidate.number} {first.status}: "
        f"{first.reason}"
    )
