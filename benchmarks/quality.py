"""What the kinds of training give on real tissue when each may use the same CPU time.

    python benchmarks/quality.py GLAS OUT [STAGE ...] [--cpu-minutes 10] [--repeat spade oasis]

Stages, all of them unless some are named: pack, segmenter, train, synthesize, measure, sheet. Each
does only what is missing in OUT, and training goes on from its checkpoints: the same command again
resumes, and with more --cpu-minutes it trains on. Every run has one thread and no loader processes,
and stops at the first report past its CPU time, which is that of its whole process from the first
step on: loading, recalibration and checkpoints are in it, imports are not.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import multiprocessing
import os
import subprocess
import tarfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw

from histosyn.config import TrainConfig
from histosyn.config_file import from_dict
from histosyn.images import png_bytes
from histosyn.labels import colorize, load_schema, read_label_map
from histosyn.presets import PRESETS
from histosyn.sample_grid import tile_grid
from histosyn.training import run_training
from hpc.files import write_bytes, write_json
from hpc.preemption import STOP_FILE, Stopped, StopRequest

# Patients with fewer tiles than this are held out.
FEWEST_FOR_TRAINING = 17
TILE_SIZE = 128
SEGMENTER_STEPS = 600
NO_END = 1_000_000

SMALL = {
    "generator": {"base_channels": 16, "label_channels": 64},
    "discriminator": {"base_channels": 16},
    "run": {"precision": "bfloat16", "steps": NO_END, "sample_every": NO_END, "keep_last": 1,
            "report_every": 5, "checkpoint_every": 200, "hang_seconds": 7200},
}  # fmt: skip
# What each method adds to the small networks; the rest are the defaults.
METHODS: dict[str, dict[str, dict[str, Any]]] = {
    "paper": PRESETS["paper"].settings,
    "spade": {},
    "class_table": {"generator": {"modulation": "class_table"}},
    "oasis": {"discriminator": {"kind": "unet"}},
}
# The original's coarsest grid has 8x8 cells for 512 pixels.
FITTED = {"paper": {"generator": {"grid_size": TILE_SIZE // 64}}}
COLUMNS = 8
FLOOR = "real_versus_real_floor"
HEADER = ["", "steps", "CPU min", "Fréchet", "KID", "precision", "recall", "density", "coverage",
          "Dice", "Dice nuclei", "noise"]  # fmt: skip
STATISTICS = ("frechet_distance", "kid", "precision", "recall", "density", "coverage")


def main() -> None:
    stages: dict[str, Callable[[argparse.Namespace], None]] = {
        "pack": pack, "segmenter": segmenter, "train": train,
        "synthesize": synthesize, "measure": measure, "sheet": sheet,
    }  # fmt: skip
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("glas", type=Path, help="folder with tiles/, labels/ and patients.csv")
    parser.add_argument("out", type=Path)
    parser.add_argument("stages", nargs="*", metavar="STAGE", help=", ".join(stages))
    parser.add_argument("--cpu-minutes", type=float, default=10.0, help="for each run")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--repeat", nargs="*", choices=METHODS, default=[], help="with seed 1 too")
    parser.add_argument("--processes", type=int, default=2, help="runs side by side")
    options = parser.parse_args()
    unknown = set(options.stages) - set(stages)
    if unknown:
        parser.error(f"no stage is called {', '.join(sorted(unknown))}")
    # Before any process starts: their threads would fight for the cores.
    os.environ["OMP_NUM_THREADS"] = "1"
    options.out.mkdir(parents=True, exist_ok=True)
    for name in options.stages or stages:
        stages[name](options)


def histosyn(*arguments: str | Path) -> None:
    subprocess.run(["histosyn", *map(str, arguments)], check=True)


def runs_of(options: argparse.Namespace) -> list[tuple[str, int]]:
    """Method and seed of each run."""
    return [(name, 0) for name in options.methods] + [(name, 1) for name in options.repeat]


def folder_of(options: argparse.Namespace, kind: str, method: str, seed: int) -> Path:
    return options.out / kind / f"{method}-{seed}"


def pack(options: argparse.Namespace) -> None:
    packed = options.out / "packed"
    if packed.exists():
        return
    groups = options.out / "patients.csv"
    write_bytes(groups, split_by_patient(options.glas / "patients.csv").encode())
    histosyn("pack", options.glas / "tiles", options.glas / "labels", packed, "--tile-size",
             str(TILE_SIZE), "--source-mpp", "0.5", "--mpp", "1.0", "--groups", groups)  # fmt: skip


def split_by_patient(file: Path) -> str:
    """Many tiles of few patients to train on; few tiles of more patients to measure with."""
    with file.open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    tiles = Counter(row["patient"] for row in rows)
    split = {
        patient: "val" if count < FEWEST_FOR_TRAINING else "train"
        for patient, count in tiles.items()
    }
    lines = [f"{row['tile']},{row['patient']},{split[row['patient']]}" for row in rows]
    return "\n".join(["tile,patient,split", *lines, ""])


def segmenter(options: argparse.Namespace) -> None:
    run = options.out / "segmenter"
    if not (run / "model").exists():
        histosyn("eval", "segmenter", "train", options.out / "packed/train", run,
                 "--run.steps", str(SEGMENTER_STEPS), "--data.workers", "0",
                 "--run.precision", "bfloat16", "--run.hang-seconds", "7200")  # fmt: skip


def train(options: argparse.Namespace) -> None:
    seconds = 60 * options.cpu_minutes
    # A process for each run, so that its CPU time is the run's.
    with ProcessPoolExecutor(
        options.processes, multiprocessing.get_context("spawn"), max_tasks_per_child=1
    ) as pool:
        done = [
            pool.submit(
                train_one, options.out / "packed/train", method, seed,
                folder_of(options, "runs", method, seed), seconds,
            )
            for method, seed in runs_of(options)
        ]  # fmt: skip
        for future in done:
            future.result()


def train_one(shards: Path, method: str, seed: int, folder: Path, seconds: float) -> None:
    spent = folder / "cpu.json"
    if spent.exists() and json.loads(spent.read_text())["cpu_seconds"] >= seconds:
        return
    torch.set_num_threads(1)
    config = config_of(shards, method, seed, folder)
    try:
        with StopRequest(folder, seconds_before_end=0) as stop:
            run_training(config, (lambda config, topology: Budget(folder, seconds),), stop)
    except Stopped as stopped:
        print(f"{folder.name}: {stopped}")


def config_of(shards: Path, method: str, seed: int, folder: Path) -> TrainConfig:
    sections: dict[str, dict[str, Any]] = {
        "data": {"shards": str(shards), "workers": 0},
        "run": {"folder": str(folder), "seed": seed},
    }
    for layer in (METHODS[method], SMALL, FITTED.get(method, {})):
        for section, settings in layer.items():
            sections[section] = sections.get(section, {}) | settings
    return from_dict(TrainConfig, sections, method)


class Budget:
    """Counts the CPU seconds of this process, and asks to stop at a report when they are spent."""

    interval = 1

    def __init__(self, folder: Path, seconds: float) -> None:
        self.folder = folder
        self.seconds = seconds
        self.started = time.process_time()
        self.before: float | None = None

    def __call__(self, trainer: Any) -> None:
        if self.before is None:
            self.before = trainer.carried.get("cpu_seconds", 0.0)
        spent = self.before + time.process_time() - self.started
        # It goes into the checkpoint: what a killed run has lost does not count.
        trainer.carried["cpu_seconds"] = spent
        if trainer.step % trainer.config.run.report_every and trainer.stopped is None:
            return
        write_json(self.folder / "cpu.json", {"step": trainer.step, "cpu_seconds": spent})
        if spent >= self.seconds:
            (self.folder / STOP_FILE).touch()


def synthesize(options: argparse.Namespace) -> None:
    held_out = unpack_labels(options)
    some = options.out / "held-out/some"
    made_up = options.out / "phantom"
    if not made_up.exists():
        histosyn("phantom", made_up, "--count", str(COLUMNS), "--size", str(TILE_SIZE))
    for method, seed in runs_of(options):
        run = folder_of(options, "runs", method, seed)
        for kind, labels, noise in (
            ("tissue", held_out, 0), ("again", some, 1), ("made-up", made_up / "labels", 0),
        ):  # fmt: skip
            tissue = folder_of(options, kind, method, seed)
            if is_newer(tissue / "manifest.jsonl", run / "cpu.json"):
                continue
            histosyn("synth", run, labels, tissue, "--overwrite", "--seed", str(noise))


def unpack_labels(options: argparse.Namespace) -> Path:
    """Folder of the held-out label maps; as many training tiles are beside it, and some for the
    sheet."""
    folder = options.out / "held-out"
    if (folder / "done").exists():
        return folder / "label"
    held_out = members_of(options.out / "packed/val", ".label.png")
    write_all(folder / "label", held_out)
    write_all(folder / "some", evenly(held_out, COLUMNS))
    write_all(folder / "seen", evenly(members_of(options.out / "packed/train", ".tile.png"),
                                      len(held_out)))  # fmt: skip
    (folder / "done").touch()
    return folder / "label"


def members_of(shards: Path, ending: str) -> dict[str, bytes]:
    """By name, in their order, what the shards hold of a kind."""
    found = {}
    for path in sorted(shards.glob("*.tar")):
        with tarfile.open(path) as tar:
            for member in tar:
                if member.name.endswith(ending):
                    found[member.name] = tar.extractfile(member).read()  # type: ignore[union-attr]
    return found


def evenly(files: dict[str, bytes], count: int) -> dict[str, bytes]:
    """So many of them, at equal distances."""
    names = list(files)
    return {names[i * len(names) // count]: files[names[i * len(names) // count]]
            for i in range(count)}  # fmt: skip


def write_all(folder: Path, files: dict[str, bytes]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        write_bytes(folder / name, content)


def is_newer(made: Path, source: Path) -> bool:
    return made.exists() and made.stat().st_mtime > source.stat().st_mtime


def measure(options: argparse.Namespace) -> None:
    os.environ["XDG_CACHE_HOME"] = str(options.out / "cache")
    reader, real = options.out / "segmenter", options.out / "packed/val"
    seen = options.out / "held-out/seen"
    distances(reader, real, seen, options.out / "measured/seen.fid.json", seen)
    rows = []
    for method, seed in runs_of(options):
        tissue = folder_of(options, "tissue", method, seed)
        measured = folder_of(options, "measured", method, seed)
        made = tissue / "manifest.jsonl"
        distances(reader, real, tissue, measured.with_name(f"{measured.name}.fid.json"), made)
        faithful = measured.with_name(f"{measured.name}.faithfulness.json")
        if not is_newer(faithful, made):
            histosyn("eval", "faithfulness", reader, tissue, real, "--real", real,
                     "--json", faithful)  # fmt: skip
        rows.append(row_of(options, method, seed))
    floors = json.loads((options.out / "measured/seen.fid.json").read_text())
    faithful = json.loads(faithful.read_text())
    rows.append(["training tiles", "", "", *distances_of(floors), *dice_of(faithful, "real"), ""])
    rows.append(["floor", "", "", *distances_of(floors, floor=True), "", "", ""])
    text = table(rows) + f"\nsegmenter: sha256 {floors['settings']['weights_sha256']}\n"
    write_bytes(options.out / "table.md", text.encode())
    print(text)


def distances(reader: Path, real: Path, tissue: Path, out: Path, made: Path) -> None:
    out.parent.mkdir(exist_ok=True)
    if not is_newer(out, made):
        histosyn("eval", "fid", real, tissue, "--extractor", reader, "--groups", real,
                 "--json", out)  # fmt: skip


def row_of(options: argparse.Namespace, method: str, seed: int) -> list[str]:
    run = folder_of(options, "runs", method, seed)
    spent = json.loads((run / "cpu.json").read_text())
    measured = options.out / "measured" / run.name
    return [
        f"{method}, seed {seed}",
        str(spent["step"]),
        f"{spent['cpu_seconds'] / 60:.1f}",
        *distances_of(json.loads(measured.with_name(f"{run.name}.fid.json").read_text())),
        *dice_of(
            json.loads(measured.with_name(f"{run.name}.faithfulness.json").read_text()), "synthetic"
        ),
        f"{effect_of_noise(options, method, seed):.1f}",
    ]


def distances_of(result: dict[str, Any], *, floor: bool = False) -> list[str]:
    numbers = {number["name"]: number["value"] for number in result["numbers"]}
    names = STATISTICS
    if floor:
        names = (FLOOR, *(f"{name}_{FLOOR}" for name in STATISTICS[1:]))
    return [f"{numbers[name]:.4f}" if i < 2 else f"{numbers[name]:.2f}"
            for i, name in enumerate(names)]  # fmt: skip


def dice_of(result: dict[str, Any], side: str) -> list[str]:
    """The mean over classes, and that of nuclei."""
    found = {
        number["details"].get("class", "all"): number["value"]
        for number in result["numbers"]
        if number["details"]["side"] == side and "dice" in number["name"]
    }
    return [f"{found['all']:.3f}", f"{found['nuclei']:.3f}"]


def effect_of_noise(options: argparse.Namespace, method: str, seed: int) -> float:
    """Mean absolute difference, of 255, between two tiles of one label map."""
    pairs = [
        (read(folder_of(options, "tissue", method, seed) / path.name), read(path))
        for path in folder_of(options, "again", method, seed).glob("*.png")
    ]
    return float(np.mean([np.abs(one.astype(float) - other).mean() for one, other in pairs]))


def read(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def table(rows: list[list[str]]) -> str:
    lines = [HEADER, ["---"] * len(HEADER), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def sheet(options: argparse.Namespace) -> None:
    """Two pages: held-out label maps with their real tiles, to look at; and made-up label maps,
    which hold nothing of the data set, to show."""
    names = sorted(path.name for path in (options.out / "held-out/some").glob("*.png"))
    tiles = members_of(options.out / "packed/val", ".tile.png")
    real = {"real": [decoded(tiles[name.replace(".label.", ".tile.")]) for name in names]}
    draw(options, names, options.out / "held-out/some", ("tissue", "again"), real, "sheet.png")
    labels = options.out / "phantom/labels"
    draw(options, sorted(path.name for path in labels.glob("*.png")), labels, ("made-up",), {},
         "made-up.png")  # fmt: skip


def draw(
    options: argparse.Namespace,
    names: list[str],
    labels: Path,
    kinds: tuple[str, ...],
    more: dict[str, list[np.ndarray]],
    out: str,
) -> None:
    schema = load_schema("prostate-3")
    maps = [colorize(read_label_map(labels / name, schema), schema) for name in names]
    rows = {"label map": maps} | more
    for method, seed in runs_of(options):
        for kind in kinds:
            title = f"{method}, seed {seed}" + (", other noise" if kind == "again" else "")
            rows[title] = [read(folder_of(options, kind, method, seed) / name) for name in names]
    page = Image.fromarray(tile_grid([[titled(title), *row] for title, row in rows.items()]))
    write_bytes(options.out / out, png_bytes(page))
    print(options.out / out)


def decoded(png: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(png)) as image:
        return np.asarray(image.convert("RGB"))


def titled(text: str) -> np.ndarray:
    """A white tile with a title, a line for each part of it."""
    image = Image.new("RGB", (TILE_SIZE, TILE_SIZE), "white")
    drawing = ImageDraw.Draw(image)
    drawing.multiline_text((4, 40), text.replace(", ", "\n"), fill="black", font_size=16)
    return np.asarray(image)


if __name__ == "__main__":
    main()
