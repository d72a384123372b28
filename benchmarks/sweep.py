"""Does a sweep find something? Random search, a model, early stopping, and what a sweep costs.

    python benchmarks/sweep.py GLAS OUT [STAGE ...] [--trials 20] [--steps 200] [--seed 2]

Stages, all unless some are named, each of which does only what is missing in OUT:

pack      GlaS in tiles of 64 pixels at 1 µm: four patients to train on, four to measure trials
          with, three to judge the winner by
random    a sweep of drawn settings, none stopped early
tpe       the same first ten trials, the rest suggested by a model of them
repeats   the best trial and the defaults with seeds 1, 2 and 3
held-out  these six on the patients that no trial was measured with
killed    seconds from a kill -9 of a sweep's driver until it trains again
overhead  a sweep of two trials beside the same two trainings started by hand
table     what came of it; and what early stopping would have saved, by the function that sweeps
          decide by, given the random sweep's measurements in the order of its trials

One trial at a time, on one thread, so that each sweep is the same each time.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import quality
from stages import Stage, run_stages

from hpc.files import write_text
from tune.plan.config import Sweep, read_sweep
from tune.plan.trial_folder import TrialFolder
from tune.search.stopping import Courses, halving_stops, median_stops, rungs

JUDGE = "efficientnet-lite2"
DRAWN = 10
SEEDS = (1, 2, 3)
SPLIT = {"train": ("2", "4", "7", "10"), "val": ("1", "8", "12", "15")}
FILE = """\
[train.data]
shards = "{out}/packed/train"
workers = 0
[train.generator]
base_channels = 16
label_channels = 64
[train.discriminator]
base_channels = 16
[train.optimizer]
generator_lr = 1e-3
discriminator_lr = 1e-3
[train.loss]
perceptual_pretrained = "efficientnet-lite0"
[train.run]
steps = {steps}
precision = "bfloat16"
report_every = 10
checkpoint_every = {half}
sample_every = {half}

[search]
optimizer.generator_lr = {{ log_uniform = [1e-4, 4e-3] }}
optimizer.discriminator_lr = {{ log_uniform = [1e-4, 4e-3] }}
loss.feature_matching = {{ log_uniform = [0.5, 20] }}
loss.perceptual = {{ uniform = [0, 4] }}
run.ema_decay = {{ choice = [0.97, 0.99, 0.995, 0.999] }}

[objective.distance]
extractor = "{judge}"

[sweep]
folder = "{out}/{name}"
validation = "{out}/packed/val"
sampler = "{sampler}"
stopping = "{stopping}"
samples = {trials}
seed = {seed}
repeat_best = {repeats}
evaluate_every = {quarter}
evaluation_tiles = 400
grace_period = {quarter}
reduction_factor = 2.0
max_concurrent = 1
"""
# Name of a sweep -> where its values come from, and which of its trials are stopped early.
SWEEPS = {"random": ("random", "none"), "tpe": ("tpe", "none"), "killed": ("random", "none"),
          "overhead": ("random", "none")}  # fmt: skip


def main() -> None:
    stages: dict[str, Stage] = {
        "pack": pack, "random": random, "tpe": tpe, "repeats": repeats, "held-out": held_out,
        "killed": killed, "overhead": overhead, "table": table,
    }  # fmt: skip
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("glas", type=Path, help="folder with tiles/, labels/ and patients.csv")
    parser.add_argument("out", type=Path)
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--steps", type=int, default=200, help="of each trial")
    parser.add_argument("--overhead-steps", type=int, default=1000, help="of each of that stage")
    parser.add_argument("--seed", type=int, default=2, help="of the sweeps")
    run_stages(parser, stages)


def pack(options: argparse.Namespace) -> None:
    if (options.out / "packed").exists():
        return
    with (options.glas / "patients.csv").open(newline="") as text:
        patients = {row["tile"]: row["patient"] for row in csv.DictReader(text)}
    splits = {patient: split for split, members in SPLIT.items() for patient in members}
    rows = [f"{tile},{who},{splits.get(who, 'test')}" for tile, who in patients.items()]
    write_text(options.out / "split.csv", "\n".join(["tile,patient,split", *rows, ""]))
    quality.histosyn("pack", options.glas / "tiles", options.glas / "labels",
                     options.out / "packed", "--schema", "prostate-3", "--tile-size", 64,
                     "--source-mpp", 0.5, "--mpp", 1.0,
                     "--groups", options.out / "split.csv")  # fmt: skip


def random(options: argparse.Namespace) -> None:
    tune(options, "random")


def tpe(options: argparse.Namespace) -> None:
    """The drawn trials are those of the random sweep: they need not be trained twice."""
    known, folder = options.out / "random", options.out / "tpe"
    if not folder.exists():
        folder.mkdir()
        shutil.copy(known / "sweep.json", folder / "sweep.json")
        for number in range(DRAWN):
            shutil.copytree(trial(known, number), trial(folder, number))
    tune(options, "tpe")


def repeats(options: argparse.Namespace) -> None:
    tune(options, winner(options), repeats=SEEDS)


def winner(options: argparse.Namespace) -> str:
    """The sweep that found the least distance."""
    return min(("random", "tpe"), key=lambda name: best_of(options.out / name)["distance"])


def held_out(options: argparse.Namespace) -> None:
    """Distances of the repeats on patients that no trial was measured with."""
    test, labels = options.out / "packed/test", options.out / "held-out/label"
    if not labels.exists():
        quality.write_all(labels, quality.members_of(test, ".label.png"))
    for run in sorted((options.out / winner(options) / "repeats").iterdir()):
        tissue = options.out / "held-out" / run.name
        quality.histosyn("synth", run, labels, tissue)
        for kind in ("fid", "c2st"):
            if not (file := held_out_file(options, run.name, kind)).exists():
                quality.histosyn("eval", kind, test, tissue, "--extractor", JUDGE, "--json", file)


def held_out_file(options: argparse.Namespace, run: str, kind: str) -> Path:
    file: Path = options.out / "held-out" / f"{run}.{kind}.json"
    return file


def killed(options: argparse.Namespace) -> None:
    """Kills the driver and all that it started once a trial has trained; starts it again."""
    folder, file = options.out / "killed", options.out / "killed.json"
    if file.exists():
        return
    shutil.rmtree(folder, ignore_errors=True)
    log = trial(folder, 0) / "metrics.jsonl"
    start = started(options, "killed")
    until(lambda: lines_of(log) > 0)
    os.killpg(start.pid, signal.SIGKILL)
    done, since = lines_of(log), time.monotonic()
    again = started(options, "killed")
    until(lambda: lines_of(log) > done)
    write_text(file, json.dumps({"seconds": round(time.monotonic() - since, 1)}))
    os.killpg(again.pid, signal.SIGKILL)


def overhead(options: argparse.Namespace) -> None:
    """Wall time of a sweep of two trials, and of these two trainings started by hand after it."""
    file = options.out / "overhead.json"
    if file.exists():
        return
    shutil.rmtree(options.out / "overhead", ignore_errors=True)
    options.steps, options.trials = options.overhead_steps, 2
    seconds = {"sweep": wall(lambda: tune(options, "overhead"))}
    for number in range(2):
        config = trial(options.out / "overhead", number) / "config.toml"
        own = options.out / "overhead/by-hand" / str(number)
        seconds[f"by hand, {number}"] = wall(
            lambda config=config, own=own: quality.histosyn(
                "train", "--config", config, "--run.folder", own
            )
        )
    write_text(file, json.dumps({"steps": options.steps} | seconds))


def tune(options: argparse.Namespace, name: str, repeats: tuple[int, ...] = ()) -> None:
    quality.histosyn("tune", "--config", written(options, name, repeats))


def started(options: argparse.Namespace, name: str) -> subprocess.Popen[bytes]:
    """A sweep that runs beside this process, in a group of its own."""
    command = [sys.executable, "-m", "histosyn", "tune", "--config", written(options, name)]
    return subprocess.Popen([*map(str, command)], start_new_session=True)


def written(options: argparse.Namespace, name: str, repeats: tuple[int, ...] = ()) -> Path:
    """The sweep's file."""
    sampler, stopping = SWEEPS[name]
    file: Path = options.out / f"{name}.toml"
    write_text(file, FILE.format(
        out=options.out, name=name, sampler=sampler, stopping=stopping, judge=JUDGE,
        trials=options.trials, seed=options.seed, repeats=list(repeats), steps=options.steps,
        half=options.steps // 2, quarter=options.steps // 4,
    ))  # fmt: skip
    return file


def wall(work: Callable[[], None]) -> float:
    since = time.monotonic()
    work()
    return round(time.monotonic() - since, 1)


def until(happened: Callable[[], bool]) -> None:
    while not happened():
        time.sleep(0.2)


def lines_of(file: Path) -> int:
    return len(file.read_bytes().splitlines()) if file.exists() else 0


def trial(folder: Path, number: int) -> Path:
    return folder / "trials" / f"{number:04d}"


def rows_of(folder: Path) -> list[dict[str, Any]]:
    """The leaderboard's rows, best first, repeats last."""
    with (folder / "leaderboard.csv").open(newline="") as text:
        rows: list[dict[str, Any]] = list(csv.DictReader(text))
    return [row | {"distance": float(row["distance"] or "nan")} for row in rows]


def best_of(folder: Path) -> dict[str, Any]:
    return rows_of(folder)[0]


def table(options: argparse.Namespace) -> None:
    """The sweeps, a row each; then the repeats, on both sets of patients."""
    lines = ["| sweep | trials | images seen | hours | best distance | defaults |",
             "|---|---|---|---|---|---|"]  # fmt: skip
    lines += [row_of_sweep(name, options.out / name) for name in ("random", "tpe")]
    lines += [row_of_stopped(options, rule) for rule in ("asha", "median")]
    lines += ["", "| run | distance | on held-out patients | textures' AUC there, at 1, 1/2 |",
              "|---|---|---|---|"]  # fmt: skip
    for row in rows_of(options.out / winner(options)):
        if row["repeats"]:
            run = f"{int(row['repeats']):04d}-seed-{row['seed']}"
            found = (distance_of(options, run), textures_of(options, run))
            lines.append(f"| {run} | {row['distance']:.2f} | {' | '.join(found)} |")
    for file in ("killed.json", "overhead.json"):
        if (options.out / file).exists():
            lines += ["", f"{file}: {(options.out / file).read_text()}"]
    text = "\n".join([*lines, ""])
    write_text(options.out / "table.md", text)
    print(text)


def row_of_sweep(name: str, folder: Path) -> str:
    rows = [row for row in rows_of(folder) if not row["repeats"]]
    spent = [seconds_of(trial(folder, number)) for number in range(len(rows))]
    hours = sum(sum(each.values()) for each in spent) / 3600
    seen = sum(int(row["images_seen"] or 0) for row in rows)
    (defaults,) = [row for row in rows if row["trial"] == "0"]
    return (
        f"| {name} | {len(rows)} | {seen} | {hours:.2f} | {rows[0]['distance']:.2f} "
        f"(trial {rows[0]['trial']}) | {defaults['distance']:.2f} |"
    )


def seconds_of(run: Path) -> dict[int, float]:
    """What was spent on a trial before each measurement, by step, since the one before it."""
    lines = (run / "times.jsonl").read_text().splitlines()
    return {each["step"]: each["seconds"] for each in map(json.loads, lines)}


def row_of_stopped(options: argparse.Namespace, rule: str) -> str:
    """What a rule would have left of the random sweep, whose trials ran to the end."""
    sweep = read_sweep(options.out / "random.toml")
    settings, last = sweep.sweep, sweep.train.run.steps
    levels = rungs(settings.grace_period, settings.reduction_factor, last)
    courses: dict[str, dict[int, dict[str, float]]] = {}
    hours, seen, ended = 0.0, 0, {}
    for number in range(options.trials):
        folder, name = TrialFolder(trial(options.out / "random", number)), str(number)
        courses[name], seconds = {}, seconds_of(folder.path)
        for step, found in folder.evaluations().items():
            courses[name][step] = found.measured
            hours += seconds[step] / 3600
            # The first trial is the defaults, which are never stopped.
            if number and step < last and stops(rule, courses, name, step, levels, sweep):
                break
        seen += found.images_seen
        ended[number] = found
    whole = {
        each: found.measured["distance"] for each, found in ended.items() if found.step == last
    }
    best = min(whole, key=lambda each: whole[each])
    return (f"| random, {rule} | {options.trials} | {seen} | {hours:.2f} | {whole[best]:.2f} "
            f"(trial {best}) | {whole[0]:.2f} |")  # fmt: skip


def stops(rule: str, courses: Courses, name: str, step: int, levels: list[float], sweep: Sweep
          ) -> bool:  # fmt: skip
    if rule == "asha":
        factor = sweep.sweep.reduction_factor
        return halving_stops(courses, name, step, levels, factor, sweep.objective)
    return median_stops(courses, name, step, sweep.sweep.grace_period, sweep.objective)


def distance_of(options: argparse.Namespace, run: str) -> str:
    return f"{numbers_of(held_out_file(options, run, 'fid'))['frechet_distance']:.2f}"


def textures_of(options: argparse.Namespace, run: str) -> str:
    """By textures, which neither trained nor measured any trial."""
    found = numbers_of(held_out_file(options, run, "c2st"))
    return " ".join(f"{found[f'auc_texture_scale_{scale}']:.2f}" for scale in (1, 2))


def numbers_of(file: Path) -> dict[str, float]:
    return {each["name"]: each["value"] for each in json.loads(file.read_text())["numbers"]}


if __name__ == "__main__":
    main()
