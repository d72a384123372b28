"""Is synthetic tissue of use on real tissue? `histosyn eval utility`, a generator for each share.

    python benchmarks/utility.py GLAS OUT [--cpu-minutes 10] [--steps 300] [--shares 0.5 1.0]

Patients are split as in benchmarks/quality.py. For each share of the training patients, and each
seed where the seed decides whom it holds, a generator is trained on these patients alone with so
many CPU minutes; it makes a tile for each of their label maps. Then segmenters are trained on real
tiles, synthetic ones, both, and real ones with more augmentation, as many steps each, and tested on
the held-out patients. The same command again goes on where it stopped.
"""

from __future__ import annotations

import argparse
import csv
import io
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import quality

from histosyn.config.file import from_dict
from histosyn.config.presets import PRESETS
from histosyn.config.train import TrainConfig
from hpc.files import write_text

# Mean Dice that would not matter, set before the first run.
MARGIN = 0.02


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("glas", type=Path, help="folder with tiles/, labels/ and patients.csv")
    parser.add_argument("out", type=Path)
    parser.add_argument("--cpu-minutes", type=float, default=10.0, help="for each generator")
    parser.add_argument("--steps", type=int, default=300, help="of each segmenter")
    parser.add_argument("--shares", type=float, nargs="+", default=[0.5, 1.0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    # Before any process starts: their threads would fight for the cores.
    os.environ["OMP_NUM_THREADS"] = "1"
    options.out.mkdir(parents=True, exist_ok=True)
    quality.pack(options)
    write_text(options.out / "utility.toml", settings(options))
    make_tissue(options)
    measure(options)


def settings(options: argparse.Namespace) -> str:
    out = options.out.resolve()
    synthetic = [str(out / f"{name_of(share, '{seed}')}/packed/train") for share in options.shares]
    return f"""\
[data]
real = "{out}/packed/train"
test = "{out}/packed/val"
synthetic = {synthetic}
workers = 0

[experiment]
folder = "{out}/experiment"
margin = {MARGIN}
shares = {options.shares}
seeds = {options.seeds}

[training]
steps = {options.steps}
precision = "auto"
"""


def name_of(share: float, seed: object) -> str:
    """The generator of a share, and of a seed unless all of them hold all patients."""
    return "tissue-1" if share == 1 else f"tissue-{share:g}-{seed}"


def make_tissue(options: argparse.Namespace) -> None:
    patients: dict[str, set[str]] = {}
    asked = subprocess.run(
        command(options, "--patients"), check=True, stdout=subprocess.PIPE, text=True
    )
    for row in csv.DictReader(io.StringIO(asked.stdout)):
        name = name_of(float(row["share"]), row["seed"])
        patients.setdefault(name, set()).add(row["patient"])
    for name, chosen in patients.items():
        pack_real(options, options.out / name, chosen)
    end = quality.End(seconds=60 * options.cpu_minutes, steps=quality.NO_END)
    configs = [config_of(options.out / name) for name in patients]
    quality.train_side_by_side(options.processes, end, [(config, False) for config in configs])
    for name in patients:
        synthesize(options.out / name)


def command(options: argparse.Namespace, *arguments: str) -> list[str]:
    return [
        sys.executable,
        "-m",
        "histosyn",
        "eval",
        "utility",
        "--config",
        f"{options.out}/utility.toml",
        *arguments,
    ]


def pack_real(options: argparse.Namespace, folder: Path, patients: Iterable[str]) -> None:
    """Shards of these patients alone, for a generator."""
    if (folder / "real").exists():
        return
    groups = folder / "patients.csv"
    with (options.glas / "patients.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    split = {True: "train", False: "test"}
    lines = [f"{row['tile']},{row['patient']},{split[row['patient'] in patients]}" for row in rows]
    write_text(groups, "\n".join(["tile,patient,split", *lines, ""]))
    quality.pack_tiles(options.glas, folder / "real", groups)


def config_of(folder: Path) -> TrainConfig:
    """The preset `fast`, in the precision that this machine computes fast."""
    own: quality.Settings = {
        "data": {"shards": str(folder / "real/train"), "workers": 0},
        "run": {"folder": str(folder / "run"), "precision": "auto"},
    }
    sections = quality.merged(PRESETS["fast"].settings, quality.SMALL, own)
    return from_dict(TrainConfig, sections, folder.name)


def synthesize(folder: Path) -> None:
    """A tile for each label map that the generator was trained on, packed."""
    if (folder / "packed").exists():
        return
    labels, tissue = folder / "labels", folder / "tissue"
    quality.write_all(labels, quality.members_of(folder / "real/train", ".label.png"))
    quality.histosyn("synth", folder / "run", labels, tissue, "--overwrite")
    quality.histosyn("pack", tissue, labels, folder / "packed", "--schema", "prostate-3",
                     "--source-mpp", 1.0)  # fmt: skip


def measure(options: argparse.Namespace) -> None:
    """Segmenters in so many processes; then the table, and what is shown."""
    parts = [
        subprocess.Popen(command(options, "--part", f"{number}/{options.processes}"))
        for number in range(1, options.processes + 1)
    ]
    codes = [part.wait() for part in parts]
    if any(codes):
        raise SystemExit("A part of the trainings failed.")
    subprocess.run(command(options, "--report"), check=True)


if __name__ == "__main__":
    main()
