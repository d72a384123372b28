"""Does synthetic tissue of new label maps pay? `eval utility` with sets, schedules and ratios.

    python benchmarks/utility.py TILES_AND_LABELS OUT [--data glas|consep]
        [--cpu-minutes 8] [--steps 250] [--channels 16]
        [--shares 0.25 0.5 1.0] [--seeds 0 1 2] [--sets again same new] [--schedules added]

For each share of the training patients, and each seed where the seed decides whom it holds, a
generator is trained on these patients alone (with the preset `fast`). Sets of tiles to learn from:

- `again`: the real tiles once more, the control: is it the tissue, or the additional steps?
- `warped`: the real tiles turned, enlarged and bent as new maps are: is it their geometry alone?
- `same`: tissue of the patients' own label maps, and `new`, of maps that `histosyn labels` makes;
- `boosted`: of new maps with the classes of --boost more often;
- `selected`: those of new maps that a segmenter of the same patients reads;
- `stains`: tissue of the new maps in the stains of all training patients, whose tiles need no
  annotation for it.

All are crossed with the schedules, ratios and both augmentations, tested on held-out patients. The
same command again goes on where it stopped, and does more where lists are longer; other --steps are
an experiment of its own with the same tiles; with nothing but
--shares 1.0 --seeds 0 --steps 20 it is a trial of minutes. The patients of CoNSeP are not known: of
it there is but --shares 1.0.
"""

from __future__ import annotations

import argparse
import csv
import io
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import quality
import recipe
from recipe import DATA
from stages import prepare
from utility_sets import SETS, make_tissue

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
    parser.add_argument("glas", type=Path, help="folder with tiles/ and labels/ (and patients.csv)")
    parser.add_argument("out", type=Path)
    parser.add_argument("--data", choices=DATA, default="glas")
    parser.add_argument("--cpu-minutes", type=float, default=8.0, help="for each generator")
    parser.add_argument("--steps", type=int, default=250, help="of each segmenter")
    parser.add_argument("--batch", type=int, default=8, help="20 for ratios from 0.25 to 4")
    parser.add_argument("--channels", type=int, default=16, help="of the segmenters")
    parser.add_argument("--shares", type=float, nargs="+", default=[0.25, 0.5, 1.0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--sets", nargs="+", choices=SETS, default=["again", "same", "new"])
    parser.add_argument("--schedules", nargs="+", default=["added"])
    parser.add_argument("--ratios", type=float, nargs="+", default=[1.0])
    parser.add_argument("--plain", dest="strong", action="store_const", const=[False],
                        default=[False, True], help="no sets with strong augmentation")  # fmt: skip
    parser.add_argument("--boost", nargs="*", default=[], help="as histosyn labels has it")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    if options.data == "consep" and options.shares != [1.0]:
        parser.error("--data consep needs --shares 1.0")
    prepare(options)
    recipe.pack(options)
    write_text(options.out / "utility.toml", settings(options))
    make_sets(options)
    measure(options)


def settings(options: argparse.Namespace) -> str:
    out = options.out
    shards = [f"{out}/sets-{{share}}-{{seed}}/{SETS[name]}" for name in options.sets]
    return f"""\
[data]
real = "{out}/packed/train"
test = "{out}/packed/val"
global_batch = {options.batch}
workers = 0

[experiment]
folder = "{out}/experiment-{options.steps}"
margin = {MARGIN}
arms = ["real", "augmentation"]
shares = {options.shares}
seeds = {options.seeds}

[crossed]
names = {options.sets}
shards = {shards}
schedules = {options.schedules}
ratios = {options.ratios}
strong = {str(options.strong).lower()}
{'control = "again"' if "again" in options.sets else ""}

[network]
base_channels = {options.channels}

[training]
steps = {options.steps}
precision = "auto"
""".replace("'", '"')


def make_sets(options: argparse.Namespace) -> None:
    """A generator for each share and seed, and the sets that are made with it."""
    asked = subprocess.run(
        command(options, "--patients"), check=True, stdout=subprocess.PIPE, text=True
    )
    patients: dict[str, set[str]] = {}
    names = {}
    for row in csv.DictReader(io.StringIO(asked.stdout)):
        share = float(row["share"])
        name = name_of(share, row["seed"])
        patients.setdefault(name, set()).add(row["patient"])
        names[f"sets-{share:g}-{row['seed']}"] = name
    for name, chosen in patients.items():
        if options.shares == [1.0]:
            link(options.out / name / "real", options.out / "packed")
        else:
            pack_real(options, options.out / name, chosen)
    end = quality.End(seconds=60 * options.cpu_minutes, steps=quality.NO_END)
    configs = [config_of(options.out / name) for name in patients]
    quality.train_side_by_side(options.processes, end, [(config, False) for config in configs])
    with ThreadPoolExecutor(options.processes) as pool:
        list(pool.map(lambda name: make_tissue(options, options.out / name), patients))
    for sets, name in names.items():
        link(options.out / sets, options.out / name)


def link(path: Path, target: Path) -> None:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(target.resolve())


def name_of(share: float, seed: object) -> str:
    """The generator of a share, and of a seed unless all of them hold all patients."""
    return "tissue-1" if share == 1 else f"tissue-{share:g}-{seed}"


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
