"""One training under kill -9 at random instants: does it end as the undisturbed one?

    python benchmarks/soak.py OUT --kills 100 --steps 400

Tiny networks on phantom tissue, a checkpoint every few steps. Each kill hits a process of its own,
after a random time: while it starts, trains, or writes a checkpoint. The next one goes on with the
same configuration. Undisturbed and killed run must agree in every byte of the last checkpoint's
tensors (both networks, their moving average, both optimizers) and of the model, and in every
report. Exit code 1 if they do not.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import statistics
import sys
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

from histosyn.config.data import DataConfig
from histosyn.config.networks import DiscriminatorConfig, GeneratorConfig
from histosyn.config.run import RunConfig
from histosyn.config.train import TrainConfig
from histosyn.training.run import run_training
from hpc import checkpoint
from hpc.files import sha256_of_bytes, sha256_of_file, write_json
from hpc.log import RecordsFile

_POLL_SECONDS = 0.002
# A tenth of the kills hit a process that has not taken a step yet.
_SHARE_WHILE_STARTING, _STARTING_SECONDS = 0.1, 1.0
# A run that ends cannot be killed any more.
_LAST_STEPS = 3


@dataclass(kw_only=True)
class Story:
    """What happened to the killed run."""

    kills: int = 0
    while_writing: int = 0
    steps_redone: list[int] = field(default_factory=list)
    starting_seconds: list[float] = field(default_factory=list)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--checkpoint-every", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0, help="of the instants")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()

    config = tiny_training(given.out, given.steps, given.checkpoint_every)
    assert wait_for(start(config)) == 0, "the undisturbed run failed"
    reports = RecordsFile(config.run.folder / "metrics.jsonl").read()
    step_seconds = statistics.median(
        config.data.global_batch / report["images_per_second"] for report in reports
    )
    disturbed = replace(config, run=replace(config.run, folder=given.out / "killed"))
    story = train_under_fire(disturbed, given.kills, step_seconds, given.seed)

    summary = {
        "steps": given.steps,
        "checkpoint_every": given.checkpoint_every,
        "kills": story.kills,
        "kills_while_a_checkpoint_was_written": story.while_writing,
        "steps_redone": sum(story.steps_redone),
        "steps_redone_per_kill": round(statistics.mean(story.steps_redone or [0]), 2),
        "most_steps_redone": max(story.steps_redone, default=0),
        "median_seconds_until_training_again": round(
            statistics.median(story.starting_seconds or [0]), 2
        ),
        "undisturbed": fingerprint(config),
        "killed": fingerprint(disturbed),
    }
    summary["identical"] = summary["undisturbed"] == summary["killed"]
    print(*(f"{name}: {value}" for name, value in summary.items()), sep="\n")
    if given.json is not None:
        write_json(given.json, summary)
    sys.exit(not summary["identical"])


def tiny_training(out: Path, steps: int, checkpoint_every: int) -> TrainConfig:
    """Phantom tissue, packed, and the smallest networks that have every part."""
    from histosyn.labels.label_map import load_schema
    from histosyn.packing.pack import PackConfig, pack
    from histosyn.phantom import write_phantom

    write_phantom(out / "phantom", count=16, size=64, seed=0)
    tiles, labels = out / "phantom/tiles", out / "phantom/labels"
    pack(tiles, labels, out / "packed", load_schema("prostate-3"), PackConfig(), 1)
    return TrainConfig(
        data=DataConfig(shards=out / "packed/train", global_batch=4, workers=0),
        generator=GeneratorConfig(
            base_channels=4, max_multiplier=4, upsamplings=4, label_channels=8, noise_channels=8
        ),
        discriminator=DiscriminatorConfig(base_channels=4, layers=3, scales=2),
        run=RunConfig(
            folder=out / "undisturbed", steps=steps, device="cpu", report_every=1,
            sample_every=steps, checkpoint_every=checkpoint_every,
        ),
    )  # fmt: skip


def train_under_fire(config: TrainConfig, kills: int, step_seconds: float, seed: int) -> Story:
    """Start the run again and again, kill it so many times, and let it end then."""
    instants = random.Random(seed)
    story = Story()
    while story.kills < kills:
        saved = last_saved(config)
        unfinished = leftovers(config)
        # So that the kills are spread over the whole run, although each one throws it back.
        steps = (config.run.steps - saved) / (kills - story.kills) + config.run.checkpoint_every
        process = start(config)
        if instants.random() < _SHARE_WHILE_STARTING:
            time.sleep(instants.uniform(0, _STARTING_SECONDS))
        else:
            story.starting_seconds.append(wait_for_a_step(config, process, saved))
            live(config, process, instants.uniform(0, 2 * steps * step_seconds))
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        story.kills += 1
        story.while_writing += bool(leftovers(config) - unfinished)
        story.steps_redone.append(max(0, last_step(config) - last_saved(config)))
    assert wait_for(start(config)) == 0, "the run failed"
    return story


def wait_for_a_step(config: TrainConfig, process: int, saved: int) -> float:
    """Until this process has taken a step; returns how long that took."""
    began = time.monotonic()
    while not (steps_taken(config, process) > saved):
        assert not ended(process), "the run failed"
        time.sleep(_POLL_SECONDS)
    return time.monotonic() - began


def live(config: TrainConfig, process: int, seconds: float) -> None:
    """So long, but not until the end of the run."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and steps_taken(config, process) < config.run.steps - _LAST_STEPS:
        time.sleep(_POLL_SECONDS)


def steps_taken(config: TrainConfig, process: int) -> int:
    """The step at which this process says that it is; -1 before it says so."""
    path = config.run.folder / "state.json"
    state = json.loads(path.read_text()) if path.exists() else {"pid": None}
    return state["step"] if state["pid"] == process else -1


def leftovers(config: TrainConfig) -> set[str]:
    """Checkpoints whose writing was cut short, not cleared away yet."""
    return {path.name for path in (config.run.folder / "checkpoints").glob(".step-*.tmp")}


def last_saved(config: TrainConfig) -> int:
    newest = checkpoint.newest_valid(config.run.folder / "checkpoints")
    return 0 if newest is None else int(newest.name.removeprefix("step-"))


def start(config: TrainConfig) -> int:
    """Train in a child of this process, which has imported everything already."""
    process = os.fork()
    if process == 0:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.dup2(os.open(config.run.folder.with_suffix(".log"),
                        os.O_WRONLY | os.O_CREAT | os.O_APPEND), sys.stderr.fileno())  # fmt: skip
        try:
            run_training(config)
        except BaseException:
            sys.excepthook(*sys.exc_info())
            os._exit(1)
        os._exit(0)
    return process


_ENDED: dict[int, int] = {}


def ended(process: int) -> bool:
    if process not in _ENDED:
        found, status = os.waitpid(process, os.WNOHANG)
        if found:
            _ENDED[process] = os.waitstatus_to_exitcode(status)
    return process in _ENDED


def wait_for(process: int) -> int:
    while not ended(process):
        time.sleep(_POLL_SECONDS)
    return _ENDED[process]


def last_step(config: TrainConfig) -> int:
    records = RecordsFile(config.run.folder / "metrics.jsonl").read()
    return records[-1]["step"] if records else 0


def fingerprint(config: TrainConfig) -> dict[str, str]:
    """Digests of all that must not depend on kills."""
    run = config.run
    final = checkpoint.checkpoint_path(run.folder / "checkpoints", run.steps)
    losses = [
        {name: value for name, value in record.items() if name.startswith(("step", "loss/"))}
        for record in RecordsFile(run.folder / "metrics.jsonl").read()
    ]
    return {
        "tensors": sha256_of_file(final / "tensors.safetensors")[:16],
        "model": sha256_of_file(run.folder / "model/model.safetensors")[:16],
        "reports": sha256_of_bytes(json.dumps(losses).encode())[:16],
    }


if __name__ == "__main__":
    main()
