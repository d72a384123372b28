"""Does synthetic tissue of new label maps pay? `eval utility` with sets, schedules and ratios.

    python benchmarks/utility_maps.py GLAS OUT [--cpu-minutes 30] [--steps 600]
        [--shares 0.25 0.5 1.0] [--seeds 0 1 2] [--schedules added alone] [--ratios 1]

For each share of the training patients, and each seed where the seed decides whom it holds, a
generator and a segmenter are trained on these patients alone (benchmarks/utility.py). Three sets of
tiles come of them: `same`, of the patients' own label maps; `new`, of maps that `histosyn labels`
makes of these; `selected`, those of new maps that the segmenter reads. All are crossed with the
schedules, ratios and both augmentations, tested on held-out patients. The same command again goes
on where it stopped; with nothing but --shares 1.0 --seeds 0 --steps 20 it is a trial of minutes.
"""

from __future__ import annotations

import argparse
import csv
import io
import math
import os
import subprocess
from pathlib import Path

import quality
import utility

from hpc.files import write_text

SETS = ("same", "new", "selected")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("glas", type=Path, help="folder with tiles/, labels/ and patients.csv")
    parser.add_argument("out", type=Path)
    parser.add_argument("--cpu-minutes", type=float, default=30.0, help="for each generator")
    parser.add_argument("--steps", type=int, default=600, help="of each segmenter")
    parser.add_argument("--shares", type=float, nargs="+", default=[0.25, 0.5, 1.0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--schedules", nargs="+", default=["added", "alone"])
    parser.add_argument("--ratios", type=float, nargs="+", default=[1.0])
    parser.add_argument("--boost", nargs="*", default=[], help="as histosyn labels has it")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    # Before any process starts: their threads would fight for the cores.
    os.environ["OMP_NUM_THREADS"] = "1"
    options.out.mkdir(parents=True, exist_ok=True)
    quality.pack(options)
    write_text(options.out / "utility.toml", settings(options))
    make_sets(options)
    utility.measure(options)


def settings(options: argparse.Namespace) -> str:
    out = options.out.resolve()
    shards = [f"{out}/sets-{{share}}-{{seed}}/{name}/packed/train" for name in SETS]
    return f"""\
[data]
real = "{out}/packed/train"
test = "{out}/packed/val"
global_batch = 20
workers = 0

[experiment]
folder = "{out}/experiment"
margin = {utility.MARGIN}
arms = ["real", "augmentation"]
shares = {options.shares}
seeds = {options.seeds}

[crossed]
names = {list(SETS)}
shards = {shards}
schedules = {options.schedules}
ratios = {options.ratios}
strong = [false, true]

[training]
steps = {options.steps}
precision = "auto"
""".replace("'", '"')


def make_sets(options: argparse.Namespace) -> None:
    """A generator and a segmenter for each share and seed, and what is made with them."""
    asked = subprocess.run(
        utility.command(options, "--patients"), check=True, stdout=subprocess.PIPE, text=True
    )
    patients: dict[str, set[str]] = {}
    links = {}
    for row in csv.DictReader(io.StringIO(asked.stdout)):
        share = float(row["share"])
        name = utility.name_of(share, row["seed"])
        patients.setdefault(name, set()).add(row["patient"])
        links[f"sets-{share:g}-{row['seed']}"] = name
    for name, chosen in patients.items():
        utility.pack_real(options, options.out / name, chosen)
    end = quality.End(seconds=60 * options.cpu_minutes, steps=quality.NO_END)
    configs = [utility.config_of(options.out / name) for name in patients]
    quality.train_side_by_side(options.processes, end, [(config, False) for config in configs])
    for name in patients:
        make_tissue(options, options.out / name)
    for link, name in links.items():
        if not (options.out / link).exists():
            (options.out / link).symlink_to(name)


def make_tissue(options: argparse.Namespace, folder: Path) -> None:
    """The tiles of each set: of new maps enough for the largest ratio, of one's own one each."""
    real = folder / "real/train"
    times = math.ceil(max(options.ratios))
    own = quality.members_of(real, ".label.png")
    quality.write_all(folder / "labels", own)
    boost = [item for each in options.boost for item in ("--boost", each)]
    quality.histosyn("labels", real, folder / "new-labels", "--count", times * len(own),
                     "--size", quality.TILE_SIZE, *boost)  # fmt: skip
    if not (folder / "segmenter/model").exists():
        quality.histosyn("eval", "segmenter", "train", real, folder / "segmenter",
                         "--run.steps", options.steps, "--data.workers", 0)  # fmt: skip
    tries = ("--keep-if-read", folder / "segmenter", "--least-dice", 0.85)
    for name, labels, more in (
        ("same", folder / "labels", ()),
        ("new", folder / "new-labels", ()),
        ("selected", folder / "new-labels", tries),
    ):
        if (folder / name / "packed").exists():
            continue
        tissue = folder / name / "tissue"
        quality.histosyn("synth", folder / "run", labels, tissue, *more)
        quality.histosyn("pack", tissue, labels, folder / name / "packed", "--schema",
                         "prostate-3", "--source-mpp", 1.0)  # fmt: skip


if __name__ == "__main__":
    main()
