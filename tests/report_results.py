"""Results and runs as commands leave them, written in a moment."""

from __future__ import annotations

import json

import numpy as np
from PIL import Image

from eval.statistics.result import Number, Result
from hpc.files import sha256_of_bytes

FLOOR = "real_versus_real_floor"


def number(name, value, interval=None, n=40, **details):
    return Number(
        name=name,
        value=value,
        n=n,
        method="method",
        interval=interval,
        interval_level=0.95 if interval else None,
        interval_method="bootstrap" if interval else None,
        reason=None if value is not None else "why not",
        details=details,
    )


def side(sha256="a" * 64, model=()):
    return {"name": "tissue", "n": 40, "tile_size": [64, 64], "preparation": "none",
            "content": {"sha256": sha256, "covers": "tiles", "recorded": 40,
                        "model_sha256": list(model), "seeds": [0]}, "bad_tiles": []}  # fmt: skip


def fid(value=0.5, extractor="inception", **sides):
    numbers = (
        number("frechet_distance", value, (value - 0.1, value + 0.1)),
        number(FLOOR, 0.6, values=[0.5, 0.6, 0.7], n=20),
        number("kid", -0.00004, (-0.0001, 0.0001)),
        number(f"kid_{FLOOR}", 0.0, values=[-0.0001, 0.0002], n=20),
        number("spectrum_0.05-0.10", 0.8, (0.7, 0.9)),
        number("spectrum_0.10-0.15", 1.2, (1.1, 1.3)),
        number("weave_2", 3.0, (2.0, 4.0)),
        number(f"weave_2_{FLOOR}", 1.0, values=[0.9, 1.1], n=20),
    )
    return Result(kind="fid", inputs={"real": side("r" * 64), "synthetic": side(**sides)},
                  settings={"extractor": extractor, "seed": 3, "groups": 8}, numbers=numbers,
                  warnings=("Fewer than 2048 tiles.",))  # fmt: skip


def agreement(margin=0.2, equivalent=True):
    pairs = [
        number("cohen_kappa", 0.5, (0.3, 0.7), arm="real", compared="two raters",
               raters=[f"R{one}", f"R{other}"])
        for one in range(3) for other in range(one)
    ]  # fmt: skip
    test = {"equivalent": equivalent, "margin": margin}
    return Result(
        kind="agreement",
        inputs={"arms": [{"arm": "real", "images": 20}, {"arm": "synthetic", "images": 20}]},
        settings={"categories": ["1", "2"], "margin": margin, "replicates": 100,
                  "resampled": "images", "seed": 0},
        numbers=(
            number("fleiss_kappa", 0.6, (0.4, 0.8), arm="real", compared="all raters",
                   raters=["R0", "R1", "R2"]),
            number("fleiss_kappa", 0.5, (0.3, 0.7), arm="synthetic", compared="all raters",
                   raters=["R0", "R1", "R2"]),
            number("fleiss_kappa", 0.1, (-0.1, 0.3), arm="real minus synthetic",
                   compared="all raters", values={"real": 0.6, "synthetic": 0.5},
                   equivalence_test=test),
            *pairs,
        ),
    )  # fmt: skip


def discrimination():
    return Result(
        kind="discrimination",
        inputs={"study": "s1", "machine": None},
        settings={"margin": 0.1, "primary": "auc", "pooling": "OR", "scale": ["1", "2"],
                  "protocol_sha256": "p"},
        numbers=(
            number("auc", 0.55, (0.45, 0.65), block="naive", reader="R1", machine=False),
            number("auc", 0.52, (0.47, 0.57), block="naive", reader="mean of readers",
                   machine=False, chance=0.5, readers=2,
                   equivalence_test={"equivalent": True, "margin": 0.1}),
        ),
        tables={"deviations": []},
    )  # fmt: skip


def save(folder, **results):
    folder.mkdir(exist_ok=True)
    for name, result in results.items():
        result.save(folder / f"{name}.json")
    return folder


def write_run(folder, model_sha256="m" * 64):
    (folder / "model").mkdir(parents=True)
    (folder / "samples").mkdir()
    (folder / "config.toml").write_text('[data]\nshards = "nowhere"\n[run]\nseed = 7\n')
    reports = [{"step": step, "images_seen": 8 * step, "loss/generator/adversarial": 1 / step}
               for step in (1, 2, 3)]  # fmt: skip
    (folder / "metrics.jsonl").write_text("".join(json.dumps(one) + "\n" for one in reports))
    config = {"weights": {"sha256": model_sha256}, "generator": {"base_channels": 16},
              "training": {"steps": 3, "images_seen": 24, "global_batch": 8},
              "schema": {"classes": [{"name": "gland", "color": "#30b155"},
                                     {"name": "stroma", "color": "#907e99"}]}}  # fmt: skip
    (folder / "model" / "config.json").write_text(json.dumps(config))
    Image.new("RGB", (16, 16), "purple").save(folder / "samples" / "step-00000003.png")
    return folder


def write_tissue(folder, count=20):
    """Tiles, label maps beside them, and a manifest."""
    labels = folder.parent / "labels"
    folder.mkdir(parents=True)
    labels.mkdir()
    lines = []
    for row in range(count):
        name = f"t{row:02d}.png"
        Image.fromarray(np.full((24, 24, 3), 10 * row, np.uint8)).save(folder / name)
        Image.new("P", (24, 24), row % 4).save(labels / name)
        lines.append({"file": name, "label": name,
                      "label_sha256": sha256_of_bytes((labels / name).read_bytes()),
                      "output_sha256": sha256_of_bytes((folder / name).read_bytes())})  # fmt: skip
    (folder / "manifest.jsonl").write_text("".join(json.dumps(one) + "\n" for one in lines))
    return folder
