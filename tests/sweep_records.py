"""Sweeps that nobody ran: records of trials whose objective is a known function of settings."""

import math
from dataclasses import replace

import numpy as np

from tune.report.record import Measure, Measurement, Setting, SweepRecord, Trial

BATCH = 8
DISTANCE = Measure(
    name="distance", words="Fréchet distance", n=48, yardstick=(0.9, "real tiles to each other"),
    how="features of EfficientNet-Lite2 (ImageNet), seed 0",
)  # fmt: skip
SETTINGS = (
    Setting(name="optimizer.generator_lr", low=1e-5, high=1e-2, logarithmic=True),
    Setting(name="loss.feature_matching", low=0.0, high=20.0),
    Setting(name="loss.perceptual", low=0.0, high=10.0),
    Setting(name="run.ema_decay", choices=(0.99, 0.999, 0.9999)),
)
DEFAULTS = {
    "optimizer.generator_lr": 4e-4, "loss.feature_matching": 5.0, "loss.perceptual": 0.0,
    "run.ema_decay": 0.999,
}  # fmt: skip
RUNGS = (500, 1000, 1500, 3000)


def true_distance(values, images_seen):
    """What a trial of endless tiles would have: the learning rate matters most, EMA not at all."""
    rate = math.log10(values["optimizer.generator_lr"])
    valley = 6 + 4.0 * (rate + 3.1) ** 2 + 0.02 * (values["loss.feature_matching"] - 11) ** 2
    valley -= 0.15 * values["loss.perceptual"]
    return valley * (1 + 2.5 * math.exp(-images_seen / 9000))


def made_up(count=16, *, repeats=3, seed=0, stopping=True, noise=0.35, failing=True):
    """A sweep of `count` trials, halved after 1000 steps, the best and the defaults repeated."""
    random = np.random.default_rng(seed)
    drawn = [DEFAULTS, *({
        "optimizer.generator_lr": float(10 ** random.uniform(-5, -2)),
        "loss.feature_matching": float(random.uniform(0, 20)),
        "loss.perceptual": float(random.uniform(0, 10)),
        "run.ema_decay": SETTINGS[3].choices[random.integers(3)],
    } for _ in range(count - 1))]  # fmt: skip
    trials = [one_trial(number, values, random, noise) for number, values in enumerate(drawn)]
    if stopping:
        order = sorted(trials, key=lambda trial: trial.at(RUNGS[1] * BATCH, "distance"))
        kept = {trial.number for trial in order[: max(count // 3, 1)]} | {0}
        trials = [trial if trial.number in kept else ended(trial, "stopped", RUNGS[1])
                  for trial in trials]  # fmt: skip
    if failing and count > 4:
        worst = max(trials, key=lambda trial: trial.values["optimizer.generator_lr"]).number
        trials[worst] = replace(ended(trials[worst], "diverged", RUNGS[0]), objective=None,
                                reason="loss/generator is not finite at step 731.")  # fmt: skip
    trials = with_ranks(trials)
    record = SweepRecord(
        name="made-up", best_file="runs/sweeps/made-up/best.toml", measures=(DISTANCE,),
        settings=SETTINGS, trials=tuple(trials), planned=count,
        stopping="ASHA",
    )  # fmt: skip
    more = [
        replace(one_trial(trial.number, trial.values, random, noise), repeats=trial.number,
                seed=seed, rank=None)
        for trial in {record.best.number: record.best, 0: record.default}.values()
        for seed in range(1, repeats + 1)
    ]  # fmt: skip
    return replace(record, trials=(*trials, *more), planned_repeats=len(more))


def with_ranks(trials):
    """Those that came furthest first, by their objective."""
    order = sorted((trial for trial in trials if trial.objective is not None),
                   key=lambda trial: (-trial.step, trial.objective))  # fmt: skip
    ranks = {trial.number: rank for rank, trial in enumerate(order, 1)}
    return [replace(trial, rank=ranks.get(trial.number)) for trial in trials]


def one_trial(number, values, random, noise=0.35):
    """A trial that went on to its end."""
    measurements = tuple(
        Measurement(step=step, images_seen=step * BATCH, values={
            "distance": true_distance(values, step * BATCH) + noise * random.normal()})
        for step in RUNGS
    )  # fmt: skip
    return Trial(
        number=number, values=values, state="finished", origin="random" if number else "defaults",
        objective=measurements[-1].values["distance"], measurements=measurements, step=RUNGS[-1],
        steps=RUNGS[-1], process_seconds=RUNGS[-1] * (0.5 + 0.05 * random.random()),
        precision="float32",
    )  # fmt: skip


def ended(trial, state, step):
    """The same, but over after so many steps."""
    kept = tuple(each for each in trial.measurements if each.step <= step)
    assert trial.process_seconds is not None
    return replace(trial, state=state, measurements=kept, step=step,
                   objective=kept[-1].values["distance"],
                   process_seconds=trial.process_seconds * step / trial.step)  # fmt: skip
