"""What comes first in a help: the stages of work, and the options that people change."""

from __future__ import annotations

# Where to begin, from top to bottom: what for, and the command line.
BEGINNING = (
    ("Look", "histosyn demo"),
    ("Check", "histosyn doctor tiles labels"),
    ("Pack", "histosyn pack tiles labels packed --groups patients.csv --val 0.2"),
    ("Train", "histosyn train --data.shards packed/train --run.folder runs/first"),
    ("Make", "histosyn synth runs/first packed/val tissue"),
    ("Measure", "histosyn eval fid packed/val tissue --extractor efficientnet-lite2"),
)

# Commands by what they are for.
STAGES = {
    "Beginning": ("demo",),
    "Data": ("doctor", "pack", "inspect", "unpack", "phantom"),
    "Training": ("init", "train", "status", "tune", "submit"),
    "Tissue": ("labels", "synth", "paint", "verify", "export", "import-original"),
    "Measuring": ("eval", "study", "report"),
}

# Of commands with many options those that come first.
ESSENTIALS = {
    "train": (
        "--data.shards",
        "--run.folder",
        "--run.steps",
        "--data.global-batch",
        "--data.crop",
        "--preset",
        "--config",
        "--processes",
        "--optimizer.generator-lr",
        "--optimizer.discriminator-lr",
        "--run.precision",
        "--run.device",
        "--run.seed",
        "--fork",
        "--dry-run",
    ),
    "eval segmenter train": (
        "SHARDS",
        "OUT",
        "--run.steps",
        "--data.global-batch",
        "--data.crop",
        "--network.base-channels",
        "--optimizer.lr",
        "--config",
        "--processes",
        "--run.device",
        "--run.seed",
        "--dry-run",
    ),
    "pack": (
        "TILES",
        "LABELS",
        "OUT",
        "--schema",
        "--groups",
        "--val",
        "--tile-size",
        "--source-mpp",
        "--mpp",
        "--tile-suffix",
        "--label-suffix",
    ),
    "synth": (
        "--model",
        "--labels",
        "--out",
        "--variants",
        "--seed",
        "--source-mpp",
        "--processes",
        "--device",
        "--precision",
        "--overwrite",
    ),
    "labels": (
        "LABELS",
        "OUT",
        "--count",
        "--schema",
        "--seed",
        "--size",
        "--boost",
        "--processes",
    ),
    "eval fid": (
        "REAL",
        "SYNTHETIC",
        "--extractor",
        "--groups",
        "--resize",
        "--device",
        "--json",
    ),
}
