"""Does synthetic tissue of new label maps pay? `eval utility` with sets, schedules and ratios.

    python benchmarks/utility_maps.py TILES_AND_LABELS OUT [--data glas|consep]
        [--cpu-minutes 8] [--steps 250] [--channels 16]
        [--shares 0.25 0.5 1.0] [--seeds 0 1 2] [--sets again same new] [--schedules added]

For each share of the training patients, and each seed where the seed decides whom it holds, a
generator is trained on these patients alone (benchmarks/utility.py). Sets of tiles to learn from:

- `again`: the real tiles once more, the control: is it the tissue, or the additional steps?
- `warped`: the real tiles turned, enlarged and bent as new maps are: is it their geometry alone?
- `same`: tissue of the patients' own label maps, and `new`, of maps that `histosyn labels` makes;
- `boosted`: of new maps with the classes of --boost more often;
- `selected`: those of new maps that a segmenter of the same patients reads;
- `stains`: tissue of the new maps in the stains of all training patients, whose tiles need no
  annotation for it.

All are crossed with the schedules, ratios and both augmentations, tested on held-out patients. The
same command again goes on where it stopped, and does more where lists are longer; with nothing but
--shares 1.0 --seeds 0 --steps 20 it is a trial of minutes. The patients of CoNSeP are not known: of
it there is but --shares 1.0.
"""

from __future__ import annotations

import argparse
import csv
import io
import math
import os
import random
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import quality
import recipe
import utility
from PIL import Image
from recipe import DATA

from histosyn.images.tiles import png_bytes
from histosyn.new_labels.warps import warped
from hpc.files import write_text


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
    parser.add_argument(
        "--channels", type=int, default=16, help="of the segmenters, at their widest"
    )
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
    # Before any process starts: their threads would fight for the cores.
    os.environ["OMP_NUM_THREADS"] = "1"
    options.out.mkdir(parents=True, exist_ok=True)
    recipe.pack(options)
    write_text(options.out / "utility.toml", settings(options))
    make_sets(options)
    utility.measure(options)


def settings(options: argparse.Namespace) -> str:
    out = options.out.resolve()
    shards = [f"{out}/sets-{{share}}-{{seed}}/{SETS[name]}" for name in options.sets]
    return f"""\
[data]
real = "{out}/packed/train"
test = "{out}/packed/val"
global_batch = {options.batch}
workers = 0

[experiment]
folder = "{out}/experiment"
margin = {utility.MARGIN}
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
        utility.command(options, "--patients"), check=True, stdout=subprocess.PIPE, text=True
    )
    patients: dict[str, set[str]] = {}
    names = {}
    for row in csv.DictReader(io.StringIO(asked.stdout)):
        share = float(row["share"])
        name = utility.name_of(share, row["seed"])
        patients.setdefault(name, set()).add(row["patient"])
        names[f"sets-{share:g}-{row['seed']}"] = name
    for name, chosen in patients.items():
        if options.shares == [1.0]:
            link(options.out / name / "real", options.out / "packed")
        else:
            utility.pack_real(options, options.out / name, chosen)
    end = quality.End(seconds=60 * options.cpu_minutes, steps=quality.NO_END)
    configs = [utility.config_of(options.out / name) for name in patients]
    quality.train_side_by_side(options.processes, end, [(config, False) for config in configs])
    with ThreadPoolExecutor(options.processes) as pool:
        list(pool.map(lambda name: make_tissue(options, options.out / name), patients))
    for sets, name in names.items():
        link(options.out / sets, options.out / name)


def link(path: Path, target: Path) -> None:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(target.resolve())


def make_tissue(options: argparse.Namespace, folder: Path) -> None:
    """The tiles of each set that there are not yet."""
    quality.write_all(folder / "labels", quality.members_of(folder / "real/train", ".label.png"))
    for name in options.sets:
        if not (folder / SETS[name]).exists():
            write_set(options, folder, name)


def write_set(options: argparse.Namespace, folder: Path, name: str) -> None:
    make = warp if name == "warped" else synthesize
    tissue, labels = make(options, folder, name)
    quality.histosyn("pack", tissue, labels, folder / name / "packed", "--schema",
                     recipe.schema_of(options), "--source-mpp", DATA[options.data].mpp)  # fmt: skip


def warp(options: argparse.Namespace, folder: Path, name: str) -> tuple[Path, Path]:
    """Real tiles and their label maps, laid otherwise together, as far as `histosyn labels` does
    unless told otherwise."""
    tiles = quality.members_of(folder / "real/train", ".tile.png")
    made = folder / name / "tissue", folder / name / "labels"
    for number, (tile_name, tile) in enumerate(tiles.items()):
        tile_HWC, label_HW = (
            np.asarray(Image.open(file))
            for file in (io.BytesIO(tile), folder / "labels" / tile_name)
        )
        rng = np.random.default_rng([0, number])
        places_HW = np.arange(label_HW.size).reshape(label_HW.shape)
        laid_HW = warped(places_HW, rng, turn=rng.uniform(-15, 15), zoom=rng.uniform(0.9, 1.1),
                         bend=rng.uniform(0, 12))  # fmt: skip
        pixels = tile_HWC.reshape(-1, 3)[laid_HW], label_HW.reshape(-1)[laid_HW]
        for where, image in zip(made, pixels, strict=True):
            quality.write_all(where, {tile_name: png_bytes(Image.fromarray(image))})
    return made


def synthesize(options: argparse.Namespace, folder: Path, name: str) -> tuple[Path, Path]:
    labels, tissue = folder / LABELS.get(name, "new-labels"), folder / name / "tissue"
    if name != "same":
        # Enough for the largest ratio.
        count = math.ceil(max(options.ratios)) * len(list((folder / "labels").glob("*.png")))
        boosted = options.boost if name == "boosted" else []
        boost = [item for each in boosted for item in ("--boost", each)]
        quality.histosyn("labels", folder / "labels", labels, "--schema",
                         recipe.schema_of(options), "--count", count,
                         "--size", DATA[options.data].tile_size, *boost)  # fmt: skip
    more = SYNTHESIS[name](options, folder) if name in SYNTHESIS else []
    quality.histosyn("synth", folder / "run", labels, tissue, "--precision", "auto", *more)
    return tissue, labels


def selecting(options: argparse.Namespace, folder: Path) -> list[object]:
    """Keep what a segmenter of the same patients reads."""
    if not (folder / "segmenter/model").exists():
        quality.histosyn("eval", "segmenter", "train", folder / "real/train", folder / "segmenter",
                         "--run.steps", options.steps, "--run.precision", "auto",
                         "--network.base-channels", options.channels,
                         "--data.workers", 0)  # fmt: skip
    return ["--keep-if-read", folder / "segmenter", "--least-dice", 0.85]


def staining(options: argparse.Namespace, folder: Path) -> list[object]:
    """Each new label map gets the stain of a tile of any training patient."""
    tiles = list(quality.members_of(options.out / "packed/train", ".tile.png").values())
    references = random.Random(0).sample(tiles, len(tiles))
    names = sorted(path.name for path in (folder / "new-labels").glob("*.png"))
    own = {name: references[number % len(references)] for number, name in enumerate(names)}
    quality.write_all(folder / "stains/references", own)
    return ["--stain", folder / "stains/references"]


# Where the tiles of a set lie in the folder of a share and seed.
SETS = {
    "again": "real/train",
    **{
        name: f"{name}/packed/train"
        for name in ("warped", "same", "new", "boosted", "selected", "stains")
    },
}
# The label maps of a set, where they are not the new ones.
LABELS = {"same": "labels", "boosted": "boosted-labels"}
# What a set's synthesis is told besides.
SYNTHESIS = {"selected": selecting, "stains": staining}

if __name__ == "__main__":
    main()
