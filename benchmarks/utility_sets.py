"""The sets of tiles of `benchmarks/utility.py`: real, laid otherwise, and synthetic ones."""

from __future__ import annotations

import argparse
import io
import math
import random
from pathlib import Path

import numpy as np
import quality
import recipe
from PIL import Image
from recipe import DATA

from histosyn.images.tiles import png_bytes
from histosyn.new_labels.settings import NewLabelSettings
from histosyn.new_labels.warps import warped


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
    ranges = NewLabelSettings()
    tiles = quality.members_of(folder / "real/train", ".tile.png")
    made = folder / name / "tissue", folder / name / "labels"
    for number, (tile_name, tile) in enumerate(tiles.items()):
        tile_HWC, label_HW = (
            np.asarray(Image.open(file))
            for file in (io.BytesIO(tile), folder / "labels" / tile_name)
        )
        rng = np.random.default_rng([0, number])
        places_HW = np.arange(label_HW.size).reshape(label_HW.shape)
        turn, zoom, bend = (
            rng.uniform(each.low, each.high) for each in (ranges.turn, ranges.zoom, ranges.bend)
        )
        laid_HW = warped(places_HW, rng, turn=turn, zoom=zoom, bend=bend)
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
