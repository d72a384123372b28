"""Every format that is read, with who reads it: mostly the command itself, else what it calls."""

from __future__ import annotations

from fuzzing import readers
from fuzzing.sample import Sample, command, from_json

_AGREEMENT = ("eval", "agreement", "--replicates", "5")
_FID = ("eval", "fid")
_CHECKPOINT = "run/checkpoints/step-00000002"
_TRIAL = "sweep/trials/0001"


def _ours(name: str, file: str, kind: str) -> Sample:
    return Sample(name=name, place="data", file=f"packed/train/{file}", kind=kind,
                  read=readers.inspected, sealed="outside", weight=4)  # fmt: skip


def _configuration(name: str, file: str, *tokens: str) -> Sample:
    return Sample(name=name, place="settings", file=file, kind="toml", weight=3,
                  read=lambda: command(*tokens))  # fmt: skip


SHARDS = (
    _ours("shard", "shard-000000.tar", "tar"),
    _ours("shard-index", "dataset.json", "json"),
    _ours("shard-table", "samples.npy", "npy"),
    Sample(name="shard-stream", place="data", file="packed/train/shard-000000.tar", kind="tar",
           read=readers.streamed, sealed="outside", weight=4),
    Sample(name="foreign-pax", place="data", file="foreign/a.tar", kind="tar", weight=6,
           read=lambda: from_json("inspect", "foreign", "--schema", "prostate-3", "--verify")),
    Sample(name="foreign-gnu", place="data", file="gnu/a.tar", kind="tar", weight=4,
           read=lambda: from_json("inspect", "gnu", "--schema", "prostate-3", "--verify")),
    Sample(name="schema", place="data", file="schema.toml", kind="toml", weight=3,
           read=lambda: from_json("doctor", "tiles", "labels", "--schema", "schema.toml")),
    Sample(name="groups", place="data", file="groups.csv", kind="csv", weight=3,
           read=lambda: from_json("doctor", "tiles", "labels", "--schema", "prostate-3", "--groups",
                                  "groups.csv")),
    Sample(name="pack-tile", place="data", file="tiles/tile-01.png", kind="png", weight=3,
           read=lambda: command("pack", "tiles", "labels", "again", "--schema", "prostate-3")),
    Sample(name="doctor-labels", place="data", file="labels/tile-01.png", kind="png", weight=3,
           read=lambda: from_json("doctor", "tiles", "labels")),
)  # fmt: skip

_TILES = {
    "rgb.png": "png", "rgba.png": "png", "tile.jpg": "bytes", "progressive.jpg": "bytes",
    "turned.jpg": "bytes", "plain.tif": "bytes", "deflate.tif": "bytes", "lzw.tif": "bytes",
    "jpeg.tif": "bytes", "tile.bmp": "bytes", "tile.webp": "bytes", "tile.gif": "bytes",
    "tile.mat": "bytes",
}  # fmt: skip
_LABELS = {"indices.png": "png", "colours.png": "png", "palette.png": "png", "indices.tif": "bytes",
           "labels.mat": "bytes"}  # fmt: skip
PICTURES = (
    *(
        Sample(name=f"tile-{file}", place="pictures", file=file, kind=kind, weight=3,
               read=lambda file=file: readers.tile(file), sealed="inside" if kind == "png" else "")
        for file, kind in _TILES.items()
    ),
    *(
        Sample(name=f"labels-{file}", place="pictures", file=file, kind=kind, weight=3,
               read=lambda file=file: readers.labels(file), sealed="inside" if kind == "png" else "")
        for file, kind in _LABELS.items()
    ),
    Sample(name="original-new", place="original", file="new.pth", kind="zip", sealed="inside",
           read=lambda: readers.imported("new.pth"), weight=3),
    Sample(name="original-old", place="original", file="old.pth", kind="bytes",
           read=lambda: readers.imported("old.pth"), weight=3),
)  # fmt: skip

MODELS = (
    Sample(name="model-config", place="model", file="model/config.json", kind="json",
           read=lambda: readers.drawn("model"), weight=6),
    Sample(name="model-weights", place="model", file="model/model.safetensors",
           kind="safetensors", read=lambda: readers.drawn("model"), sealed="outside", weight=5),
    Sample(name="manifest-out", place="model", file="out/manifest.jsonl", kind="jsonl", weight=4,
           read=lambda: readers.drawn("model", "out")),
    Sample(name="mark", place="model", file="out/tile-00.png", kind="png", weight=4,
           read=lambda: readers.drawn("model", "out")),
    Sample(name="manifest-like", place="model", file="out/manifest.jsonl", kind="jsonl", weight=4,
           read=lambda: readers.drawn("model", "new", "--like", "out/manifest.jsonl")),
    Sample(name="manifest-painted", place="model", file="sitting/tiles/manifest.jsonl",
           kind="jsonl", weight=4, read=readers.repainted),
    Sample(name="areas", place="model", file="sitting/rerolls/one.png", kind="png",
           read=readers.repainted, sealed="outside"),
    Sample(name="synth-labels", place="model", file="labels/tile-00.png", kind="png", weight=3,
           read=lambda: readers.drawn("model"), sealed="inside"),
    Sample(name="paint", place="model", file="paint.http", kind="request", read=readers.request("paint.http"), weight=4),
    Sample(name="paint-read", place="model", file="read.http", kind="request", read=readers.request("read.http"), weight=4),
    Sample(name="paint-save", place="model", file="save.http", kind="request", read=readers.request("save.http"), weight=2),
    Sample(name="segmenter-config", place="segmenter", file="segmenter/config.json", kind="json",
           read=readers.segmented, weight=4),
    Sample(name="segmenter-weights", place="segmenter", file="segmenter/model.safetensors",
           kind="safetensors", read=readers.segmented, sealed="outside", weight=3),
)  # fmt: skip

RUNS = (
    Sample(name="state", place="run", file="run/state.json", kind="json", weight=6,
           read=lambda: from_json("status", "run")),
    Sample(name="state-next", place="run", file="run/state.json", kind="json", weight=3,
           read=lambda: command("status", "run", "--next")),
    Sample(name="metrics", place="run", file="run/metrics.jsonl", kind="jsonl", weight=4,
           read=lambda: from_json("status", "run")),
    *(
        Sample(name=f"checkpoint-{file}", place="run", file=f"{_CHECKPOINT}/{file}", kind=kind,
               read=lambda: readers.drawn("run"), sealed="outside", weight=3)
        for file, kind in (("tensors.safetensors", "safetensors"), ("state.json", "json"),
                           ("checkpoint.json", "json"))
    ),
    *(
        Sample(name=f"resume-{name}", place="run", file=file, kind=kind,
               read=readers.resumed, weight=1)
        for name, file, kind in (
            ("metrics", "run/metrics.jsonl", "jsonl"), ("config", "run/config.toml", "toml"),
            ("state", "run/state.json", "json"), ("checkpoint", f"{_CHECKPOINT}/state.json", "json"),
            ("index", "packed/train/dataset.json", "json"),
        )
    ),
)  # fmt: skip

NUMBERS = (
    Sample(name="ratings", place="numbers", file="ratings.csv", kind="csv", weight=4,
           read=lambda: from_json(*_AGREEMENT, "ratings.csv")),
    Sample(name="ratings-wide", place="numbers", file="wide.csv", kind="csv", weight=3,
           read=lambda: from_json(*_AGREEMENT, "wide.csv", "--categories", "1,2,3")),
    Sample(name="statistics", place="numbers", file="statistics/real.npz", kind="npz", weight=4,
           read=lambda: from_json(*_FID, "statistics/real.npz", "statistics/synthetic.npz"),
           sealed="inside"),
    Sample(name="statistics-theirs", place="numbers", file="theirs.npz", kind="npz", weight=3,
           read=lambda: from_json(*_FID, "theirs.npz", "theirs.npz"), sealed="inside"),
    Sample(name="part", place="numbers", file="parts/real-1-of-2.npz", kind="npz", weight=4,
           read=lambda: from_json("eval", "merge", "parts"), sealed="inside"),
    Sample(name="comparison", place="numbers", file="parts/comparison.json", kind="json", weight=4,
           read=lambda: from_json("eval", "merge", "parts")),
    Sample(name="features", place="numbers", file="parts/real-1-of-2.npz", kind="npz", weight=4,
           read=readers.kept_features, sealed="inside"),
    Sample(name="preprocessing", place="numbers", file="e.toml", kind="toml", weight=3,
           read=readers.preprocessing),
)  # fmt: skip

SETTINGS = (
    _configuration("train-config", "train.toml", "train", "--config", "train.toml", "--dry-run"),
    _configuration("sweep-config", "sweep.toml", "tune", "--config", "sweep.toml", "--dry-run"),
    _configuration("utility-config", "utility.toml", "eval", "utility", "--config", "utility.toml",
                   "--dry-run"),
    _configuration("site", "site.toml", "submit", "train", "--data.shards", "packed",
                   "--run.folder", "new", "--dry-run"),
    *(
        Sample(name=f"trial-{file.partition('.')[0]}", place="settings", file=f"{_TRIAL}/{file}",
               kind=kind, read=readers.collected, weight=3)
        for file, kind in (("outcome.json", "json"), ("evaluations.jsonl", "jsonl"),
                           ("decisions.jsonl", "jsonl"), ("config.toml", "toml"))
    ),
    Sample(name="utility-outcome", place="settings", file="test.json", kind="json", weight=3,
           read=readers.tested),
)  # fmt: skip

SAMPLES = [*SHARDS, *PICTURES, *MODELS, *RUNS, *NUMBERS, *SETTINGS]
