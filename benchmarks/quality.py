"""What the kinds of training give on real tissue when each may use the same CPU time.

    python benchmarks/quality.py GLAS OUT [STAGE ...] [--cpu-minutes 10] [--repeat spade oasis]

Stages, all of them unless some are named: pack, segmenter, train, synthesize, measure, sheet. Each
does only what is missing in OUT, and training goes on from its checkpoints: the same command again
resumes, and with more --cpu-minutes it trains on. Every run has one thread and no loader processes,
and stops at the first report past its CPU time, which is that of its whole process from the first
step on: loading, recalibration and checkpoints are in it, imports are not. `--methods oasis
oasis_deep oasis_published --steps 400` is the U-Net discriminator, with four halvings and five,
beside the published layout of one.
"""

from __future__ import annotations

import argparse
import csv
import json
import multiprocessing
import os
import subprocess
import sys
import tarfile
import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import quality_report as report
import torch
from discriminator import Published
from stages import Stage, run_stages

from histosyn.config.earlier import WITHOUT
from histosyn.config.file import from_dict
from histosyn.config.presets import PRESETS
from histosyn.config.train import TrainConfig
from histosyn.models.checkpoint_state import load_state
from histosyn.training.adversaries import DISCRIMINATORS
from histosyn.training.run import run_training
from hpc import checkpoint
from hpc.files import write_bytes, write_json
from hpc.preemption import REASONS, STOP_FILE, Stopped, StopRequest
from hpc.run_folder_names import CHECKPOINTS

Settings = dict[str, dict[str, Any]]

# Patients with fewer tiles than this are held out.
FEWEST_FOR_TRAINING = 17
TILE_SIZE = 128
SEGMENTER_STEPS = 600
NO_END = 1_000_000

SMALL: Settings = {
    "generator": {"base_channels": 16, "label_channels": 64},
    "discriminator": {"base_channels": 16},
    "run": {"precision": "bfloat16", "steps": NO_END, "sample_every": NO_END, "keep_last": 1,
            "report_every": 5, "checkpoint_every": 200, "hang_seconds": 7200},
}  # fmt: skip
# Noise on the coarsest grid alone.
COARSE: dict[str, Any] = {"pixel_noise": False}
# What each method adds to the small networks of before the recipe (benchmarks/recipe.py), whose
# ingredients they were compared without.
METHODS: dict[str, Settings] = {
    "paper": PRESETS["paper"].settings,
    "spade": {"generator": COARSE},
    "class_table": {"generator": COARSE | {"modulation": "class_table"}},
    "pixel_noise": {},
    "oasis": {"generator": COARSE, "discriminator": {"kind": "unet"}},
    "oasis_deep": {"generator": COARSE, "discriminator": {"kind": "unet", "layers": 5}},
    "oasis_published": {
        "generator": COARSE,
        "discriminator": {"kind": "unet"},
        "run": {"updates": "alternating"},
    },
}
KINDS = ["paper", "spade", "class_table", "pixel_noise", "oasis"]
# The original's coarsest grid has 8x8 cells for 512 pixels.
FITTED: dict[str, Settings] = {"paper": {"generator": {"grid_size": TILE_SIZE // 64}}}
COLUMNS = 8
# The reason of a run that was stopped by its STOP file, as `Budget` does it.
SPENT = REASONS[0]


def main() -> None:
    stages: dict[str, Stage] = {
        "pack": pack, "segmenter": segmenter, "train": train,
        "synthesize": synthesize, "measure": measure, "sheet": sheet,
    }  # fmt: skip
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("glas", type=Path, help="folder with tiles/, labels/ and patients.csv")
    parser.add_argument("out", type=Path)
    parser.add_argument("--cpu-minutes", type=float, default=10.0, help="for each run")
    parser.add_argument("--steps", type=int, default=NO_END, help="end runs here if not before")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=KINDS)
    parser.add_argument("--repeat", nargs="*", choices=METHODS, default=[], help="with seed 1 too")
    parser.add_argument("--processes", type=int, default=2, help="runs side by side")
    run_stages(parser, stages)


def histosyn(*arguments: object) -> None:
    subprocess.run([sys.executable, "-m", "histosyn", *map(str, arguments)], check=True)


def runs_of(options: argparse.Namespace) -> dict[str, tuple[str, int]]:
    """Method and seed of each run by its name."""
    runs = [(method, 0) for method in options.methods] + [(method, 1) for method in options.repeat]
    return {f"{method}-{seed}": (method, seed) for method, seed in runs}


def pack(options: argparse.Namespace) -> None:
    if not (options.out / "packed").exists():
        pack_by_patient(options.glas, options.out)


def pack_by_patient(glas: Path, out: Path, tile_size: int = TILE_SIZE, mpp: float = 1.0) -> None:
    """Training and held-out tiles, and the table that says whose are held out."""
    groups = out / "patients.csv"
    write_bytes(groups, split_by_patient(glas / "patients.csv").encode())
    pack_tiles(glas, out / "packed", groups, tile_size, mpp)


def pack_tiles(
    glas: Path, packed: Path, groups: Path, tile_size: int = TILE_SIZE, mpp: float = 1.0
) -> None:
    histosyn("pack", glas / "tiles", glas / "labels", packed, "--schema", "prostate-3",
             "--tile-size", tile_size, "--source-mpp", 0.5, "--mpp", mpp,
             "--groups", groups)  # fmt: skip


def split_by_patient(file: Path) -> str:
    """Many tiles of few patients to train on; few tiles of more patients to measure with."""
    with file.open(newline="") as text:
        rows = list(csv.DictReader(text))
    tiles = Counter(row["patient"] for row in rows)
    split = {
        patient: "val" if count < FEWEST_FOR_TRAINING else "train"
        for patient, count in tiles.items()
    }
    lines = [f"{row['tile']},{row['patient']},{split[row['patient']]}" for row in rows]
    return "\n".join(["tile,patient,split", *lines, ""])


def segmenter(options: argparse.Namespace) -> None:
    train_segmenter(options.out, "bfloat16")


def train_segmenter(out: Path, precision: str) -> None:
    """Who reads the tissue: trained on the real training tiles."""
    run = out / "segmenter"
    if not (run / "model").exists():
        histosyn("eval", "segmenter", "train", out / "packed/train", run,
                 "--run.steps", SEGMENTER_STEPS, "--data.workers", 0,
                 "--run.precision", precision, "--run.hang-seconds", 7200)  # fmt: skip


def train(options: argparse.Namespace) -> None:
    train_side_by_side(
        options.processes,
        End(seconds=60 * options.cpu_minutes, steps=options.steps),
        [
            (config_of(options, run), method == "oasis_published")
            for run, (method, _) in runs_of(options).items()
        ],
    )


def train_side_by_side(processes: int, end: End, runs: Iterable[tuple[TrainConfig, bool]]) -> None:
    """Each run, and whether its discriminator is the published one, in a process of its own, so
    that the CPU time of the process is the run's."""
    with ProcessPoolExecutor(
        processes, multiprocessing.get_context("spawn"), max_tasks_per_child=1
    ) as pool:
        done = [pool.submit(train_one, config, end, published) for config, published in runs]
        for future in done:
            future.result()


@dataclass(frozen=True, kw_only=True)
class End:
    """When a run is over: at the first report past either."""

    seconds: float
    steps: int

    def is_past(self, seconds: float, step: int) -> bool:
        return seconds >= self.seconds or step >= self.steps


def train_one(config: TrainConfig, end: End, published: bool) -> None:
    folder = config.run.folder
    spent = folder / "cpu.json"
    if spent.exists():
        reached = json.loads(spent.read_text())
        if end.is_past(reached["cpu_seconds"], reached["step"]):
            return
    torch.set_num_threads(1)
    if published:
        # A quarter of its width, as the generator has a quarter of the published one's.
        DISCRIMINATORS["unet"] = lambda config, classes: Published(classes, width=32)
    try:
        with StopRequest(folder, seconds_before_end=0) as stop:
            run_training(config, (lambda config, topology: Budget(folder, end),), stop)
    except Stopped as stopped:
        if stopped.reason is not SPENT:
            raise
        print(f"{folder.name}: {stopped}")
        finish(config)


def finish(config: TrainConfig) -> None:
    """End a stopped run where it is, so that there is a model of its last step."""
    newest = checkpoint.newest_valid(config.run.folder / CHECKPOINTS)
    assert newest is not None
    reached = load_state(newest)["trainer"]["step"]
    run_training(replace(config, run=replace(config.run, steps=reached)))


def config_of(options: argparse.Namespace, run: str) -> TrainConfig:
    method, seed = runs_of(options)[run]
    sections: Settings = {
        "data": {"shards": str(options.out / "packed/train"), "workers": 0},
        "run": {"folder": str(options.out / "runs" / run), "seed": seed},
    }
    layers = (WITHOUT, METHODS[method], SMALL, FITTED.get(method, {}))
    return from_dict(TrainConfig, merged(sections, *layers), method)


def merged(*layers: Settings) -> Settings:
    """Sections whose settings are those of the last layer that has them."""
    sections: Settings = {}
    for layer in layers:
        for section, settings in layer.items():
            sections[section] = sections.get(section, {}) | settings
    return sections


class Budget:
    """Counts the CPU seconds of this process, and asks to stop at a report when they are spent."""

    interval = 1

    def __init__(self, folder: Path, end: End) -> None:
        self.folder = folder
        self.end = end
        self.started = time.process_time()
        self.before: float | None = None

    def __call__(self, trainer: Any) -> None:
        if self.before is None:
            self.before = trainer.carried.get("cpu_seconds", 0.0)
        spent = self.before + time.process_time() - self.started
        # It goes into the checkpoint: what a killed run has lost does not count.
        trainer.carried["cpu_seconds"] = spent
        if trainer.step % trainer.config.run.report_every == 0 and self.end.is_past(
            spent, trainer.step
        ):
            # The stop is noticed after one more step, when observers are no longer called.
            write_json(self.folder / "cpu.json", {"step": trainer.step, "cpu_seconds": spent})
            (self.folder / STOP_FILE).touch()


def synthesize(options: argparse.Namespace) -> None:
    """Tissue for all held-out label maps, again for some with other noise, and for made-up ones."""
    held_out = options.out / "held-out"
    unpack(options.out / "packed", held_out)
    made_up = options.out / "phantom"
    if not made_up.exists():
        histosyn("phantom", made_up, "--count", COLUMNS, "--size", TILE_SIZE)
    for run in runs_of(options):
        for kind, labels, noise in (
            ("tissue", held_out / "label", 0),
            ("again", held_out / "some", 1),
            ("made-up", made_up / "labels", 0),
        ):
            source, tissue = options.out / "runs" / run, options.out / kind / run
            if not is_newer(tissue / "manifest.jsonl", source / "cpu.json"):
                histosyn("synth", source, labels, tissue, "--overwrite", "--seed", noise)


def unpack(packed: Path, out: Path) -> None:
    """The held-out label maps and tiles, some of them for the page, and as many training tiles."""
    if (out / "done").exists():
        return
    labels = members_of(packed / "val", ".label.png")
    tiles = members_of(packed / "val", ".tile.png")
    write_all(out / "label", labels)
    write_all(out / "real", tiles)
    write_all(out / "some", evenly(labels, COLUMNS))
    write_all(out / "some-real", evenly(tiles, COLUMNS))
    write_all(out / "seen", evenly(members_of(packed / "train", ".tile.png"), len(labels)))
    (out / "done").touch()


def members_of(shards: Path, ending: str) -> dict[str, bytes]:
    """By name, in their order, what the shards hold of a kind: the pieces of a sample share it."""
    found = {}
    for path in sorted(shards.glob("*.tar")):
        with tarfile.open(path) as tar:
            for member in tar:
                content = tar.extractfile(member)
                if content is not None and member.name.endswith(ending):
                    found[member.name.removesuffix(ending) + ".png"] = content.read()
    return found


def evenly(files: dict[str, bytes], count: int) -> dict[str, bytes]:
    """So many of them, at equal distances."""
    names = sorted(files)
    return {name: files[name] for name in (names[i * len(names) // count] for i in range(count))}


def write_all(folder: Path, files: dict[str, bytes]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        write_bytes(folder / name, content)


def is_newer(made: Path, source: Path) -> bool:
    return made.exists() and made.stat().st_mtime > source.stat().st_mtime


def measure(options: argparse.Namespace) -> None:
    os.environ["XDG_CACHE_HOME"] = str(options.out / "cache")
    reader, real = options.out / "segmenter", options.out / "packed/val"
    measured, seen = options.out / "measured", options.out / "held-out/seen"
    measured.mkdir(exist_ok=True)
    tissue = {run: options.out / "tissue" / run for run in runs_of(options)}
    for name, tiles in {"seen": seen, **tissue}.items():
        fid, faithfulness = (measured / f"{name}.{kind}.json" for kind in ("fid", "faithfulness"))
        source = options.out / "segmenter/model" if tiles == seen else tiles / "manifest.jsonl"
        if not is_newer(fid, source):
            histosyn("eval", "fid", real, tiles, "--extractor", reader, "--json", fid)
        if tiles != seen and not is_newer(faithfulness, source):
            histosyn("eval", "faithfulness", reader, tiles, real, "--real", real,
                     "--json", faithfulness)  # fmt: skip
    text = report.table(options.out, list(tissue))
    write_bytes(options.out / "table.md", text.encode())
    print(text)


def sheet(options: argparse.Namespace) -> None:
    """Two pages: held-out label maps with their real tiles, to look at; and made-up label maps,
    which hold nothing of the data set, to show."""
    out, runs = options.out, runs_of(options)
    real = [report.read(path) for path in sorted((out / "held-out/some-real").glob("*.png"))]
    tissue: dict[str, Path] = {}
    for run in runs:
        tissue |= {run: out / "tissue" / run, f"{run} other noise": out / "again" / run}
    report.draw(out / "held-out/some", tissue, out / "sheet.png", real)
    made_up = {run: out / "made-up" / run for run in runs}
    report.draw(out / "phantom/labels", made_up, out / "made-up.png")


if __name__ == "__main__":
    main()
