"""Folders of sweeps that nobody ran, from the records of `sweep_records`: no Ray, no training."""

import json
from dataclasses import asdict, replace

from phantom_grids import grid_png
from sweep_records import BATCH, RUNGS, made_up

from eval.statistics.result import Number, Result
from hpc.run_state import RunState
from tune.plan.config import sweep_from_dict
from tune.plan.trial_folder import Evaluation, Outcome, Suggestion, TrialFolder

SEARCH = {
    "optimizer.generator_lr": {"log_uniform": [1e-5, 1e-2]},
    "loss.feature_matching": {"uniform": [0, 20]},
    "loss.perceptual": {"uniform": [0, 10]},
    "run.ema_decay": {"choice": [0.99, 0.999, 0.9999]},
}
TRAIN = {
    "data": {"shards": "packed/train", "global_batch": BATCH},
    "discriminator": {"pretrained": "none"},
    "optimizer": {"generator_lr": 4e-4},
    "loss": {"feature_matching": 5.0, "perceptual_pretrained": "efficientnet-lite0"},
    "run": {"steps": RUNGS[-1]},
}


def write_sweep(folder, count=16, *, ended=True, tissue=True, record=None):
    """Write a made-up sweep; with `ended` also what `tune` writes at its end."""
    record = record or made_up(count)
    settings = {
        "validation": "packed/val", "folder": str(folder), "samples": count, "evaluate_every": 500,
        "grace_period": 1000, "evaluation_tiles": 48, "repeat_best": [1, 2, 3],
    }  # fmt: skip
    sweep = sweep_from_dict({"train": TRAIN, "search": SEARCH, "sweep": settings}, "F")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sweep.json").write_text(json.dumps(sweep.as_plain()))
    for trial in record.trials:
        _write_trial(sweep, trial, tissue)
    if ended:
        _result(sweep).save(folder / "trials.json")
    return sweep


def _write_trial(sweep, trial, tissue):
    again = trial.repeats is not None
    path = sweep.trial_folder(trial.number, trial.seed if again else None)
    folder = TrialFolder(path)
    suggestion = Suggestion(number=trial.number, origin=trial.origin, values=trial.values, seed=0)
    if not again:
        folder.suggest(suggestion)
    if not trial.measurements:
        return
    path.mkdir(parents=True, exist_ok=True)
    for each in trial.measurements:
        folder.add(Evaluation(step=each.step, images_seen=each.images_seen,
                              distance=each.values["distance"], values=each.values))  # fmt: skip
    if trial.state in ("finished", "stopped", "diverged", "failed"):
        folder.conclude(Outcome(status=trial.state, reason=trial.reason))
    state = RunState(
        state="running", reason="", next="resume", step=trial.step, steps=trial.steps,
        updated="2026-01-01T00:00:00+00:00", host="node", pid=1, job=None, restarts=0,
        process_seconds=trial.process_seconds or 0.0, world_size=1, device="cpu",
        last_checkpoint=None,
    )  # fmt: skip
    (path / "state.json").write_text(json.dumps(asdict(state)))
    if tissue and not again:
        samples = path / "samples"
        samples.mkdir()
        for step in (500, 1000):
            (samples / f"step-{step:08d}.png").write_bytes(grid_png(f"step {step:,}"))


def _result(sweep):
    floor = Number(name="real_versus_real_floor", value=0.9, n=48, method="halves",
                   details={"measure": "distance"})  # fmt: skip
    facts = {"better": "lower", "extractor": "efficientnet-lite2", "weights_sha256": "ab" * 32}
    content = {"sha256": "cd" * 32, "covers": "tiles"}
    return Result(
        kind="sweep",
        inputs={"validation": {"name": "packed/val", "n": 48, "groups": 7, "content": content}},
        settings={"measures": {"distance": facts}},
        numbers=(floor,),
        warnings=("The best value is the best of 15 on the same tiles, which flatters it.",
                  "The extractor is a sibling of the network that trained."),
    )  # fmt: skip


def at_work(record):
    """The same sweep in its middle: trial 5 trains, the last two are not begun, none repeated."""
    trials = [trial for trial in record.trials if trial.repeats is None]
    last = {trials[-1].number, trials[-2].number}
    made = []
    for trial in trials:
        if trial.number in last:
            trial = replace(trial, state="waiting", measurements=(), rank=None)
        elif trial.number == 5:
            trial = replace(trial, state="running", rank=None, step=1200,
                            measurements=trial.measurements[:2])  # fmt: skip
        made.append(trial)
    return replace(record, trials=tuple(made))
