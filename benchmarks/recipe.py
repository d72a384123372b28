"""What each ingredient of the recipe gives at equal CPU time, on patients held out.

    python benchmarks/recipe.py TILES_AND_LABELS OUT [STAGE ...]
        [--data glas|glas-256|consep] [--ways fast before] [--seeds 0 1] [--cpu-minutes 8]
        [--precision float32|bfloat16]

Stages, all unless some are named: pack, segmenter, train, synthesize, measure, sheet. Data, budget
and resumption are those of benchmarks/quality.py; each run has one thread, and is float32 unless
--precision says otherwise (the reading segmenter, too: keep it for one OUT). A way is the preset
`fast` with one thing changed; `before` is that preset as it was before the recipe. Held-out label
maps are drawn in the stain of their own real tiles, so that colours can be compared, and judged by
a network and textures that took no part in training. `glas-256` are the same fields in 256 pixels,
at 0.5 µm. Of CoNSeP, whose patients are not known, every fourth image is held out, and nuclei are
what its label maps tell.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import get_args

import numpy as np
import quality
import quality_report as report
from stages import Stage, run_stages

from histosyn.config.earlier import WITHOUT
from histosyn.config.file import from_dict
from histosyn.config.presets import PRESETS
from histosyn.config.train import TrainConfig
from histosyn.networks.inference import Precision
from histosyn.phantom import MPP as PHANTOM_MPP
from hpc.files import write_text

JUDGE = "efficientnet-lite2"
VARIANTS = 3
# Label maps that are drawn several times.
VARIED = 48
SMALL = quality.merged(PRESETS["fast"].settings, quality.SMALL)
SLOW: quality.Settings = {"optimizer": {"generator_lr": 4e-4, "discriminator_lr": 4e-4}}
WAYS: dict[str, quality.Settings] = {
    "fast": {},
    "before": quality.merged(WITHOUT, SLOW),
    "slower": SLOW,
    "nearest": {"generator": {"upsampling": "nearest"}},
    "zeros": {"generator": {"border": "zeros"}},
    "no-stain": {"generator": {"stain": False}},
    "no-frozen": {"discriminator": {"pretrained": "none"}},
    "no-grain": {"discriminator": {"grain_channels": 0}},
    "one-scale": {"discriminator": {"scales": 1}},
    "perceptual": {"loss": {"perceptual": 3.0, "perceptual_pretrained": "efficientnet-lite0"}},
}
# Tiles are judged at full resolution and averaged to these parts of it.
SCALES = (1, 2, 4, 8)
FLOOR = "real_versus_real_floor"


def main() -> None:
    stages: dict[str, Stage] = {
        "pack": pack, "segmenter": segmenter, "train": train,
        "synthesize": synthesize, "measure": measure, "sheet": sheet,
    }  # fmt: skip
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("glas", type=Path, help="folder with tiles/ and labels/ (and patients.csv)")
    parser.add_argument("out", type=Path)
    parser.add_argument("--data", choices=DATA, default="glas")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=["fast", "before"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--cpu-minutes", type=float, default=8.0, help="for each run")
    parser.add_argument("--precision", choices=get_args(Precision), default="float32")
    parser.add_argument("--processes", type=int, default=2, help="runs side by side")
    run_stages(parser, stages)


def pack(options: argparse.Namespace) -> None:
    if not (options.out / "packed").exists():
        DATA[options.data].pack(options.glas, options.out)


def pack_consep(consep: Path, out: Path) -> None:
    """Tiles of 128 pixels at 0.5 µm."""
    classes = json.loads((consep / "classes.json").read_text())
    tables = []
    for title, color in zip(classes["names"], classes["colors"], strict=True):
        name = title.partition(" (")[0]
        objects = str(name.endswith("nucleus")).lower()
        tables.append(
            f'[[classes]]\nname = "{name}"\ncolor = "#{bytes(color).hex()}"\nobjects = {objects}'
        )
    write_text(out / "consep.toml", "\n\n".join(['name = "consep"', *tables, ""]))
    names = sorted(path.stem for path in (consep / "labels").glob("*.png"))
    splits = ["val" if number % 4 == 0 else "train" for number in range(len(names))]
    rows = [f"{name},{name},{split}" for name, split in zip(names, splits, strict=True)]
    write_text(out / "images.csv", "\n".join(["tile,patient,split", *rows, ""]))
    quality.histosyn("pack", consep / "tiles", consep / "labels", out / "packed",
                     "--schema", out / "consep.toml", "--tile-size", quality.TILE_SIZE,
                     "--source-mpp", 0.25, "--mpp", 0.5,
                     "--groups", out / "images.csv")  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Data:
    """A data set as it is packed: how, its tiles in pixels and µm a pixel, whether phantoms are
    like it, and its schema, which is a built-in one or a file of the folder it is packed into."""

    pack: Callable[[Path, Path], None]
    tile_size: int
    mpp: float
    like_phantoms: bool
    schema: str


DATA = {
    "glas": Data(
        pack=quality.pack_by_patient,
        tile_size=quality.TILE_SIZE,
        mpp=1.0,
        like_phantoms=True,
        schema="prostate-3",
    ),
    "glas-256": Data(
        pack=partial(quality.pack_by_patient, tile_size=256, mpp=0.5),
        tile_size=256,
        mpp=0.5,
        like_phantoms=True,
        schema="prostate-3",
    ),
    "consep": Data(
        pack=pack_consep,
        tile_size=quality.TILE_SIZE,
        mpp=0.5,
        like_phantoms=False,
        schema="consep.toml",
    ),
}


def schema_of(options: argparse.Namespace) -> str:
    named = DATA[options.data].schema
    return str(options.out / named) if named.endswith(".toml") else named


def segmenter(options: argparse.Namespace) -> None:
    quality.train_segmenter(options.out, options.precision)


def runs_of(options: argparse.Namespace) -> dict[str, tuple[str, int]]:
    """Way and seed of each run by its name."""
    return {f"{way}-{seed}": (way, seed) for way in options.ways for seed in options.seeds}


def train(options: argparse.Namespace) -> None:
    end = quality.End(seconds=60 * options.cpu_minutes, steps=quality.NO_END)
    configs = [config_of(options, run) for run in runs_of(options)]
    quality.train_side_by_side(options.processes, end, [(config, False) for config in configs])


def config_of(options: argparse.Namespace, run: str) -> TrainConfig:
    way, seed = runs_of(options)[run]
    folder = str(options.out / "runs" / run)
    own: quality.Settings = {
        "data": {"shards": str(options.out / "packed/train"), "workers": 0},
        "run": {"folder": folder, "seed": seed, "precision": options.precision},
    }
    return from_dict(TrainConfig, quality.merged(SMALL, WAYS[way], own), way)


def synthesize(options: argparse.Namespace) -> None:
    """Tissue of all held-out label maps, in their own stain; variants of some, in drawn ones; and
    tissue of made-up label maps, which may be shown."""
    held_out, made_up = options.out / "held-out", options.out / "phantom"
    quality.unpack(options.out / "packed", held_out)
    data = DATA[options.data]
    if data.like_phantoms and not made_up.exists():
        quality.histosyn("phantom", made_up, "--count", quality.COLUMNS,
                         "--size", round(data.tile_size * data.mpp / PHANTOM_MPP))  # fmt: skip
    some = held_out / "varied"
    quality.write_all(
        some, quality.evenly(quality.members_of(options.out / "packed/val", ".label.png"), VARIED)
    )
    for run in runs_of(options):
        folder, tissue = options.out / "runs" / run, options.out / "tissue" / run
        own = ["--stain", held_out / "real"] if takes_stain(folder) else []
        if not quality.is_newer(tissue / "manifest.jsonl", folder / "cpu.json"):
            quality.histosyn("synth", folder, held_out / "label", tissue, "--overwrite", *own)
        variants = options.out / "variants" / run
        if not quality.is_newer(variants / "manifest.jsonl", folder / "cpu.json"):
            quality.histosyn("synth", folder, some, variants, "--overwrite",
                             "--variants", VARIANTS)  # fmt: skip
            if made_up.exists():
                quality.histosyn("synth", folder, made_up / "labels",
                                 options.out / "made-up" / run, "--overwrite",
                                 "--source-mpp", PHANTOM_MPP)  # fmt: skip


def takes_stain(run: Path) -> bool:
    return bool(json.loads((run / "model/config.json").read_text())["generator"].get("stain"))


def measure(options: argparse.Namespace) -> None:
    os.environ["XDG_CACHE_HOME"] = str(options.out / "cache")
    real, reader = options.out / "packed/val", options.out / "segmenter"
    measured = options.out / "measured"
    measured.mkdir(exist_ok=True)
    for run in runs_of(options):
        tissue, variants = options.out / "tissue" / run, options.out / "variants" / run
        commands: dict[str, list[object]] = {
            "fid": [real, tissue, "--extractor", JUDGE],
            "c2st": [real, tissue, "--extractor", JUDGE, "--model", options.out / "runs" / run],
            "faithfulness": [reader, tissue, real, "--real", real],
            "diversity": [real, variants, "--extractor", JUDGE],
        }
        for kind, arguments in commands.items():
            file = measured / f"{run}.{kind}.json"
            if not quality.is_newer(file, tissue / "manifest.jsonl"):
                quality.histosyn("eval", kind, *arguments, "--json", file)
    text = table(options.out, list(runs_of(options)))
    write_text(options.out / "table.md", text)
    print(text)


def table(out: Path, runs: list[str]) -> str:
    """A row a run in Markdown."""
    rows = [row_of(out, run) for run in runs]
    head = ["", *rows[0]]
    cells = [[run, *row.values()] for run, row in zip(runs, rows, strict=True)]
    lines = [head, ["---"] * len(head), *cells]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def row_of(out: Path, run: str) -> dict[str, str]:
    """What is told of a run, by the column's title."""
    spent = report.load(out / "runs" / run / "cpu.json")
    fid, c2st, diversity = (numbers_of(out, run, kind) for kind in ("fid", "c2st", "diversity"))
    spectrum, weave = (
        [value for name, value in fid.items() if name.startswith(start)]
        for start in ("spectrum_", "weave_")
    )
    tissue = report.tiles_in(out / "tissue" / run)
    real = report.tiles_in(out / "held-out/real")
    dice, _ = report.dice_of(report.measured(out, run, "faithfulness"), "synthetic")
    model = report.load(out / "runs" / run / "model/config.json")
    return {
        "precision": model["training"]["precision"],
        "steps": str(spent["step"]),
        "CPU min": f"{spent['cpu_seconds'] / 60:.1f}",
        "distance": f"{fid['frechet_distance']:.2f}",
        "recall": f"{fid['recall']:.2f}",
        "AUC network 1, 1/2, 1/4, 1/8": areas(c2st, "network"),
        "AUC textures 1, 1/2, 1/4, 1/8": areas(c2st, "texture"),
        "colour": f"{report.colour_drift(tissue, real):.1f}",
        "its spread": f"{spread(tissue) / spread(real):.2f}",
        "variants": f"{diversity['variant_diversity']:.2f}",
        "weave, most": f"{max(weave):.2f}",
        "spectrum, least to most": f"{min(spectrum):.2f} to {max(spectrum):.2f}",
        "Dice": f"{dice['value']:.3f}",
    }


def spread(tiles: np.ndarray) -> float:
    """Standard deviation of the tiles' mean colours."""
    return float(tiles.mean(axis=(1, 2)).std(axis=0).mean())


def numbers_of(out: Path, run: str, kind: str) -> dict[str, float]:
    """A result's values by name, but for what real tiles give between themselves."""
    numbers = report.measured(out, run, kind)["numbers"]
    return {each["name"]: each["value"] for each in numbers if FLOOR not in each["name"]}


def areas(c2st: dict[str, float], judge: str) -> str:
    return " ".join(f"{c2st[f'auc_{judge}_scale_{scale}']:.2f}" for scale in SCALES)


def sheet(options: argparse.Namespace) -> None:
    """Held-out label maps, their real tiles, and what each run makes of them, to look at; and
    made-up ones, to show."""
    real = [
        report.read(path) for path in sorted((options.out / "held-out/some-real").glob("*.png"))
    ]
    tissue = {run: options.out / "tissue" / run for run in runs_of(options)}
    schema = schema_of(options)
    report.draw(options.out / "held-out/some", tissue, options.out / "sheet.png", real, schema)
    if DATA[options.data].like_phantoms:
        made_up = {run: options.out / "made-up" / run for run in runs_of(options)}
        report.draw(options.out / "phantom/labels", made_up, options.out / "made-up.png")


if __name__ == "__main__":
    main()
