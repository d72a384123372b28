"""How long a checkpoint holds training up: written in the background, and in line.

    python benchmarks/checkpoint.py OUT [--crop 64] [--global-batch 2] [--cycles 7]

The default networks (32 base channels) on phantom tissue. In turns: undisturbed steps, a checkpoint
in the background and the steps during its writing, undisturbed steps, a checkpoint in line. What a
checkpoint costs is the time that the loop stands still plus, in the background, what the steps take
longer while the thread hashes and writes beside them. Each is compared with the undisturbed steps
just before it; medians over the cycles. The share of throughput that is lost when saving every 100
steps is reckoned from that: a run of 100 steps between checkpoints is not made.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from histosyn.config.data import DataConfig
from histosyn.config.file import as_plain
from histosyn.config.run import RunConfig
from histosyn.config.train import TrainConfig
from histosyn.labels.label_map import load_schema
from histosyn.models.facts import model_facts
from histosyn.packing.pack import PackConfig, pack
from histosyn.phantom import write_phantom
from histosyn.training.adversaries import Adversaries
from histosyn.training.data import open_stream
from histosyn.training.observers import SaveCheckpoint
from histosyn.training.trainer import Trainer
from hpc.async_checkpoint import AsyncSaver
from hpc.deferred_writes import DeferredWrites
from hpc.files import sha256_of_file
from hpc.preemption import Reason
from hpc.tensor_tree import take_snapshot
from hpc.timer import Timer
from hpc.topology import Topology

MIB = 1 << 20
WARM_UP, UNDISTURBED, EVERY = 3, 4, 100


class InLine(AsyncSaver):
    """Waits for each checkpoint, as if there were no thread."""

    def save(self, step: int, state: dict[str, Any], *, resume_only: bool = False) -> None:
        super().save(step, state, resume_only=resume_only)
        self.close()


@dataclass(kw_only=True)
class Parts:
    """What a run's checkpoint is made of."""

    trainer: Trainer
    facts: dict[str, Any]
    prepared = True

    def prepare(self) -> None:
        pass

    def state(self) -> dict[str, Any]:
        config = as_plain(self.trainer.config)
        return {"trainer": self.trainer.state(), "config": config, "model": self.facts}


@dataclass(kw_only=True)
class Turn:
    """One checkpoint: seconds of the steps before it, of the standstill, of steps beside it."""

    calm: list[float]
    held_up: float = 0.0
    beside: list[float] = field(default_factory=list)

    @property
    def step(self) -> float:
        """A step at this time: other work on the machine comes and goes."""
        return statistics.median(self.calm)

    @property
    def longer(self) -> float:
        """What the steps during the writing took longer, all together."""
        return sum(seconds - self.step for seconds in self.beside)


class Cycles:
    """An observer that saves by turns, and watches the clock between the steps."""

    interval = 1

    def __init__(self, background: SaveCheckpoint, in_line: SaveCheckpoint) -> None:
        self.savers = {"background": background, "in line": in_line}
        self.turns: dict[str, list[Turn]] = {name: [] for name in self.savers}
        self.calm: list[float] = []
        self.beside: list[float] | None = None
        self.steps = 0
        self.left = time.perf_counter()

    def __call__(self, trainer: Trainer) -> None:
        seconds = time.perf_counter() - self.left
        self.steps += 1
        if self.beside is not None:
            self.beside.append(seconds)
            if not writing():
                self.beside = None
        elif self.steps > WARM_UP:
            self.calm.append(seconds)
        if len(self.calm) == UNDISTURBED:
            self.save(trainer)
        self.left = time.perf_counter()

    def save(self, trainer: Trainer) -> None:
        name = min(self.savers, key=lambda name: len(self.turns[name]))
        turn = Turn(calm=self.calm)
        started = time.perf_counter()
        self.savers[name](trainer)
        turn.held_up = time.perf_counter() - started
        self.turns[name].append(turn)
        self.calm, self.beside = [], turn.beside if writing() else None


def writing() -> bool:
    return any(thread.name == "checkpoint" for thread in threading.enumerate())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--crop", type=int, default=64)
    parser.add_argument("--global-batch", type=int, default=2)
    parser.add_argument("--cycles", type=int, default=7)
    given = parser.parse_args()

    trainer, cycles = prepare(given.out, given.crop, given.global_batch)
    enough = Reason(text="enough was measured", next="resume")
    with cycles.savers["background"].saver:
        trainer.train(
            (cycles,), lambda: enough if len(cycles.turns["in line"]) == given.cycles else None
        )
    report(cycles.turns, newest(given.out / "background"))
    report_copies(trainer.state())


def prepare(out: Path, crop: int, global_batch: int) -> tuple[Trainer, Cycles]:
    write_phantom(out / "phantom", count=16, size=256, seed=0)
    tiles, labels = out / "phantom/tiles", out / "phantom/labels"
    pack(tiles, labels, out / "packed", load_schema("prostate-3"), PackConfig(), 1)
    config = TrainConfig(
        data=DataConfig(shards=out / "packed/train", global_batch=global_batch, crop=crop),
        run=RunConfig(folder=out / "run"),
    )
    topology = Topology()
    stream = open_stream(config, topology)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    trainer = Trainer(config, stream, Adversaries(config, len(stream.index.schema), device), device)
    parts = Parts(trainer=trainer, facts=model_facts(config, stream.index, 0).as_dict())
    background, in_line = (
        SaveCheckpoint(
            kind(out / name, keep_last=1),
            DeferredWrites(),
            parts,
            (),
            topology,
            interval=1,
            due=Timer(0, device, is_first=True),
            saved=None,
        )
        for kind, name in ((AsyncSaver, "background"), (InLine, "in-line"))
    )
    return trainer, Cycles(background, in_line)


def newest(root: Path) -> Path:
    return max(root.glob("step-*/tensors.safetensors"))


def disk_seconds(path: Path) -> tuple[float, float]:
    """Of writing and flushing the same bytes with nothing else going on, and of hashing them."""
    content = path.read_bytes()
    with tempfile.NamedTemporaryFile(dir=path.parents[1], buffering=0) as file:
        started = time.perf_counter()
        file.write(content)
        os.fsync(file.fileno())
        written = time.perf_counter() - started
    started = time.perf_counter()
    sha256_of_file(path)
    return written, time.perf_counter() - started


def report_copies(state: dict[str, Any], turns: int = 15) -> None:
    """What `held up` is made of: the copy into fresh memory, and over the copy before."""
    kept = take_snapshot(state)
    seconds: dict[str, list[float]] = {"into fresh memory": [], "over the one before": []}
    for _ in range(turns):
        for name, times in seconds.items():
            started = time.perf_counter()
            take_snapshot(state, kept if name == "over the one before" else None)
            times.append(time.perf_counter() - started)
    print()
    for name, times in seconds.items():
        print(f"a copy {name}: median {1000 * statistics.median(times):.0f} ms, least "
              f"{1000 * min(times):.0f}")  # fmt: skip


def report(turns: dict[str, list[Turn]], tensors: Path) -> None:
    steps = [seconds for each in turns.values() for turn in each for seconds in turn.calm]
    written, hashed = disk_seconds(tensors)
    print(f"a step: median {1000 * statistics.median(steps):.0f} ms, "
          f"{1000 * min(steps):.0f} to {1000 * max(steps):.0f}")  # fmt: skip
    print(f"tensors: {tensors.stat().st_size / MIB:.0f} MiB; the same bytes alone are written and "
          f"flushed in {written:.2f} s, hashed in {hashed:.2f} s\n")  # fmt: skip
    print("| | held up (ms) | in steps | steps during the writing, longer by (ms) | "
          f"lost when saving every {EVERY} steps |\n|---|---|---|---|---|")  # fmt: skip
    for name, each in turns.items():
        held_up, longer, in_steps, lost = (
            statistics.median(map(measure, each))
            for measure in (lambda t: t.held_up, lambda t: t.longer, lambda t: t.held_up / t.step,
                            lambda t: (t.held_up + t.longer) / t.step / EVERY)
        )  # fmt: skip
        print(f"| {name} | {1000 * held_up:.0f} | {in_steps:.2f} | {1000 * longer:.0f} | "
              f"{100 * lost:.2f} % |")  # fmt: skip
    for name, each in turns.items():
        print(f"\n{name}:", *each, sep="\n")


if __name__ == "__main__":
    main()
