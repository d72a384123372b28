"""Every format that is read, with who reads it: mostly the command itself, else what it calls."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from fuzzing import readers
from fuzzing.sample import Sample, command, from_json

_Row = tuple[str, str, str, Callable[[], object], str, int]

_doctor = partial(from_json, "doctor", "tiles", "labels")
_agreement = partial(from_json, "eval", "agreement", "--replicates", "5")
_fid = partial(from_json, "eval", "fid")
_told_apart = partial(from_json, "eval", "discrimination", "ratings/discrimination.csv")
_merge = partial(from_json, "eval", "merge", "parts")
_status = partial(from_json, "status", "run")
_drawn = partial(readers.drawn, "model")
_in_out = partial(readers.drawn, "model", "out")
_like = partial(readers.drawn, "model", "new", "--like", "out/manifest.jsonl")
_from_run = partial(readers.drawn, "run")
_CHECKPOINT = "run/checkpoints/step-00000002"
_TRIAL = "sweep/trials/0001"


def _foreign(folder: str) -> Callable[[], object]:
    return partial(from_json, "inspect", folder, "--schema", "prostate-3", "--verify")


# name, file, kind, reader, where a checksum is that tells (see `Sample`), weight
_DATA: tuple[_Row, ...] = (
    ("shard", "packed/train/shard-000000.tar", "tar", readers.inspected, "outside", 4),
    ("shard-index", "packed/train/dataset.json", "json", readers.inspected, "outside", 4),
    ("shard-table", "packed/train/samples.npy", "npy", readers.inspected, "outside", 4),
    ("shard-stream", "packed/train/shard-000000.tar", "tar", readers.streamed, "outside", 4),
    ("foreign-pax", "foreign/a.tar", "tar", _foreign("foreign"), "", 6),
    ("foreign-gnu", "gnu/a.tar", "tar", _foreign("gnu"), "", 4),
    ("schema", "schema.toml", "toml", partial(_doctor, "--schema", "schema.toml"), "", 3),
    ("groups", "groups.csv", "csv", partial(_doctor, "--groups", "groups.csv"), "", 3),
    ("doctor-labels", "labels/tile-01.png", "png", _doctor, "", 3),
    ("pack-tile", "tiles/tile-01.png", "png", readers.packed, "", 3),
    ("pack-groups", "groups.csv", "csv", readers.packed, "", 3),
)
_PICTURES: tuple[_Row, ...] = (
    *(
        (f"tile-{file}", file, "bytes", partial(readers.tile, file), "", 3)
        for file in (
            *("tile.jpg", "progressive.jpg", "turned.jpg", "plain.tif", "deflate.tif", "lzw.tif"),
            *("jpeg.tif", "tile.bmp", "tile.webp", "tile.gif", "tile.mat"),
        )
    ),
    *(
        (f"tile-{file}", file, "png", partial(readers.tile, file), "inside", 3)
        for file in ("rgb.png", "rgba.png")
    ),
    *(
        (f"labels-{file}", file, "png", partial(readers.labels, file), "inside", 3)
        for file in ("indices.png", "colours.png", "palette.png")
    ),
    *(
        (f"labels-{file}", file, "bytes", partial(readers.labels, file), "", 3)
        for file in ("indices.tif", "labels.mat")
    ),
)
_SLIDES: tuple[_Row, ...] = (
    ("slide", "slides/a.tif", "bytes", readers.packed_slides, "", 3),
    ("geojson", "drawn/a.geojson", "json", readers.packed_slides, "", 3),
)
_ORIGINAL: tuple[_Row, ...] = (
    ("original-new", "new.pth", "zip", partial(readers.imported, "new.pth"), "inside", 3),
    ("original-old", "old.pth", "bytes", partial(readers.imported, "old.pth"), "", 3),
)
_MODEL: tuple[_Row, ...] = (
    ("model-config", "model/config.json", "json", _drawn, "", 6),
    ("model-weights", "model/model.safetensors", "safetensors", _drawn, "outside", 5),
    ("manifest-out", "out/manifest.jsonl", "jsonl", _in_out, "", 4),
    ("mark", "out/tile-00.png", "png", _in_out, "", 4),
    ("manifest-like", "out/manifest.jsonl", "jsonl", _like, "", 4),
    ("manifest-painted", "sitting/tiles/manifest.jsonl", "jsonl", readers.repainted, "", 4),
    ("areas", "sitting/rerolls/one-001.png", "png", readers.repainted, "outside", 2),
    ("resolutions", "resolutions.csv", "csv", readers.resampled, "", 3),
    ("synth-labels", "labels/tile-00.png", "png", _drawn, "inside", 3),
    *(
        (name, f"{name}.http", "request", readers.request(f"{name}.http"), "", 4)
        for name in ("paint", "paint-read", "paint-save")
    ),
)
_SEGMENTER: tuple[_Row, ...] = (
    ("segmenter-config", "segmenter/config.json", "json", readers.segmented, "", 4),
    (
        *("segmenter-weights", "segmenter/model.safetensors", "safetensors"),
        *(readers.segmented, "outside", 3),
    ),
)
_RUN: tuple[_Row, ...] = (
    ("state", "run/state.json", "json", _status, "", 6),
    ("state-next", "run/state.json", "json", partial(command, "status", "run", "--next"), "", 3),
    ("metrics", "run/metrics.jsonl", "jsonl", _status, "", 4),
    ("checkpoint-state", f"{_CHECKPOINT}/state.json", "json", _from_run, "outside", 3),
    ("checkpoint-record", f"{_CHECKPOINT}/checkpoint.json", "json", _from_run, "outside", 3),
    (
        *("checkpoint-tensors", f"{_CHECKPOINT}/tensors.safetensors", "safetensors"),
        *(_from_run, "outside", 3),
    ),
    ("resume-metrics", "run/metrics.jsonl", "jsonl", readers.resumed, "", 1),
    ("resume-config", "run/config.toml", "toml", readers.resumed, "", 1),
    ("resume-state", "run/state.json", "json", readers.resumed, "", 1),
    ("resume-checkpoint", f"{_CHECKPOINT}/state.json", "json", readers.resumed, "", 1),
    ("resume-index", "packed/train/dataset.json", "json", readers.resumed, "", 1),
)
_NUMBERS: tuple[_Row, ...] = (
    ("ratings", "ratings.csv", "csv", partial(_agreement, "ratings.csv"), "", 4),
    ("ratings-wide", "wide.csv", "csv", partial(_agreement, "wide.csv"), "", 3),
    (
        *("statistics", "statistics/real.npz", "npz"),
        *(partial(_fid, "statistics/real.npz", "statistics/synthetic.npz"), "inside", 4),
    ),
    ("statistics-theirs", "theirs.npz", "npz", partial(_fid, *2 * ("theirs.npz",)), "inside", 3),
    ("part", "parts/real-1-of-2.npz", "npz", _merge, "inside", 4),
    ("comparison", "parts/comparison.json", "json", _merge, "", 4),
    ("features", "parts/real-1-of-2.npz", "npz", readers.kept_features, "inside", 4),
    ("preprocessing", "e.toml", "toml", readers.preprocessing, "", 3),
)
_STUDY: tuple[_Row, ...] = (
    ("answers", "answers/R1.csv", "csv", readers.study, "", 4),
    ("study-key", "study/coordinator/key.json", "json", readers.study, "", 3),
    ("study-record", "ratings/study.json", "json", _told_apart, "", 2),
    ("discrimination", "ratings/discrimination.csv", "csv", _told_apart, "", 3),
)
_SETTINGS: tuple[_Row, ...] = (
    ("train-config", "train.toml", "toml", readers.dry_run("train", "train.toml"), "", 3),
    ("sweep-config", "sweep.toml", "toml", readers.dry_run("tune", "sweep.toml"), "", 3),
    (
        *("utility-config", "utility.toml", "toml"),
        *(readers.dry_run("eval", "utility", "utility.toml"), "", 3),
    ),
    ("site", "site.toml", "toml", readers.submitted, "", 3),
    ("trial-outcome", f"{_TRIAL}/outcome.json", "json", readers.collected, "", 3),
    ("trial-evaluations", f"{_TRIAL}/evaluations.jsonl", "jsonl", readers.collected, "", 3),
    ("trial-decisions", f"{_TRIAL}/decisions.jsonl", "jsonl", readers.collected, "", 3),
    ("trial-suggestion", f"{_TRIAL}/trial.json", "json", readers.collected, "", 3),
    ("trial-times", f"{_TRIAL}/times.jsonl", "jsonl", readers.collected, "", 3),
    ("trial-config", f"{_TRIAL}/config.toml", "toml", readers.collected, "", 3),
    ("utility-outcome", "test.json", "json", readers.tested, "", 3),
)
_BY_PLACE = {
    "data": _DATA,
    "pictures": _PICTURES,
    "slides": _SLIDES,
    "original": _ORIGINAL,
    "model": _MODEL,
    "segmenter": _SEGMENTER,
    "run": _RUN,
    "numbers": _NUMBERS,
    "study": _STUDY,
    "settings": _SETTINGS,
}
SAMPLES = [
    Sample(name=name, place=place, file=file, kind=kind, read=read, sealed=sealed, weight=weight)
    for place, rows in _BY_PLACE.items()
    for name, file, kind, read, sealed, weight in rows
]
