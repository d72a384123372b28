"""Folders of sound files, made anew in a moment; each is made in a child, in the current folder."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from experimenting import outcome
from fuzzing import texts
from fuzzing.sample import command
from original_weights import filled
from painting import random_model, stripes
from PIL import Image
from scipy.io import savemat
from tissue import SCHEMA, blobs, write_folders


def _source(count: int = 6, size: int = 32) -> None:
    write_folders(Path(), count, size)
    rows = [f"tile-{n:02d},p{n // 2},{('train', 'val', 'test')[n // 2 % 3]}" for n in range(count)]
    Path("groups.csv").write_text("tile,patient,split\n" + "\n".join(rows) + "\n")


def data() -> None:
    """Tiles, label maps, tables, shards of ours and of other tools."""
    _source()
    pack = ("pack", "tiles", "labels", "packed", "--schema", "prostate-3")
    command(*pack, "--samples-per-shard", "2", "--groups", "groups.csv")
    classes = [
        f'[[classes]]\nname = "{item.name}"\ncolor = "{item.color}"\n' for item in SCHEMA.classes
    ]
    Path("schema.toml").write_text('name = "mine"\nignore = 255\n' + "".join(classes))
    _tar("foreign", tarfile.PAX_FORMAT)
    _tar("gnu", tarfile.GNU_FORMAT)


def slides() -> None:
    """Slides and annotations."""
    from slides import feature, rectangle, tissue, write_geojson, write_slide

    for number, name in enumerate("ab"):
        write_slide(Path(f"slides/{name}.tif"), tissue(128, 192, number), levels=2)
        write_geojson(
            Path(f"drawn/{name}.geojson"),
            feature("Tumor", rectangle(0, 0, 150, 90)),
            feature("Stroma", rectangle(90, 40, 192, 128)),
        )


def _tar(folder: str, how: int) -> None:
    """Two samples with long names, as other tools write them."""
    Path(folder).mkdir()
    with tarfile.open(f"{folder}/a.tar", "w", format=how) as tar:
        for number in range(2):
            key, name = f"{'long-' * 30}{number}", f"tile-0{number}.png"
            _add(tar, f"{key}.tile.png", Path("tiles", name).read_bytes())
            _add(tar, f"{key}.label.png", Path("labels", name).read_bytes())
            _add(tar, f"{key}.json", json.dumps({"group": "p", "mpp": 0.5}).encode())


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    tar.addfile(info, io.BytesIO(content))


_PICTURES: dict[str, dict[str, Any]] = {
    "rgb.png": {},
    "tile.jpg": {"quality": 90},
    "progressive.jpg": {"progressive": True},
    "plain.tif": {},
    "deflate.tif": {"compression": "tiff_adobe_deflate"},
    "lzw.tif": {"compression": "tiff_lzw"},
    "jpeg.tif": {"compression": "jpeg"},
    "tile.bmp": {},
    "tile.webp": {"lossless": True},
    "tile.gif": {},
}


def pictures() -> None:
    """A tile in every format that is read, and label maps."""
    tile, labels = blobs(0, 32)
    image = Image.fromarray(tile)
    for name, how in _PICTURES.items():
        image.save(name, **how)
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save("turned.jpg", exif=exif)
    image.convert("RGBA").save("rgba.png")
    colours = Image.fromarray(SCHEMA.palette[labels].astype(np.uint8))
    colours.save("colours.png")
    colours.convert("P", palette=Image.Palette.ADAPTIVE).save("palette.png")
    Image.fromarray(labels).save("indices.png")
    Image.fromarray(labels).save("indices.tif")
    savemat("tile.mat", {"xx": tile}, do_compression=True)
    savemat("labels.mat", {"rr": labels.astype(float)}, do_compression=False)


def original() -> None:
    """Weights of the original, narrow."""
    import torch

    from histosyn.models.original_layout import Layout, shapes

    narrow = Layout(base_channels=2, noise_channels=6, embedding_channels=8, grid_size=2)
    state = filled(shapes(narrow))
    torch.save(state, "new.pth")
    torch.save(state, "old.pth", _use_new_zipfile_serialization=False)


def model() -> None:
    """A model, its tiles, those of a sitting, and what a browser asks for."""
    random_model(Path("model"))
    Path("labels").mkdir()
    for number in range(2):
        Image.fromarray(blobs(number, 32)[1]).save(f"labels/tile-0{number}.png")
    Path("resolutions.csv").write_text("tile,mpp\ntile-00,1.0\ntile-01,1.25\n")
    command("synth", "model", "labels", "out")
    _paint()
    body = stripes(32, 32).tobytes() + bytes(32 * 32)
    _ask("paint", "synthesize", "application/octet-stream", body)
    _ask("paint-save", "save", "application/octet-stream", body)
    _ask("paint-read", "read", "image/png", Path("labels/tile-00.png").read_bytes())


def _ask(name: str, what: str, kind: str, body: bytes) -> None:
    """A request as the page sends it."""
    lines = (
        f"POST /api/{what} HTTP/1.1",
        "Host: localhost:8765",
        "X-Histosyn-Token: token",
        "Origin: http://localhost:8765",
        f"Content-Type: {kind}",
        "X-Histosyn-Size: 32x32",
        "X-Histosyn-Seeds: 1,2",
        "X-Histosyn-Name: a%20b",
        f"Content-Length: {len(body)}",
        "Connection: close",
    )
    Path(f"{name}.http").write_bytes("\r\n".join((*lines, "", "")).encode() + body)


def _paint() -> None:
    import torch

    from histosyn.models.folder import load_model
    from histosyn.paint.painting import Painting
    from histosyn.paint.renderer import Renderer
    from histosyn.paint.session_folder import SessionFolder
    from histosyn.synthesis.rerolls import Rerolls

    areas = np.zeros((32, 32), np.uint8)
    areas[8:16, 8:16] = 1
    rerolls = Rerolls(areas_HW=areas, seeds=(7,))
    painting = Painting(labels_HW=stripes(32, 32), seed=3, rerolls=rerolls)
    renderer = Renderer(load_model("model", torch.device("cpu")), name="model")
    SessionFolder(Path("sitting")).save(renderer, painting, "one")


def run() -> None:
    """A training run of two steps, to look at, to go on with, to draw from."""
    _source(4)
    command("pack", "tiles", "labels", "packed", "--schema", "prostate-3")
    shutil.rmtree("tiles")
    Path("train.toml").write_text(texts.TRAINING)
    command("train", "--config", "train.toml")


def segmenter() -> None:
    """A segmenter, and tiles for it to read."""
    import torch

    from eval.segmenter.config import NetworkConfig
    from eval.segmenter.model import SegmenterFacts, save_segmenter
    from eval.segmenter.unet import UNet

    torch.manual_seed(0)
    config = NetworkConfig(base_channels=2, max_multiplier=2, halvings=2)
    facts = SegmenterFacts(
        network=config, schema=SCHEMA, tile_size=(32, 32), mpp=0.5, training={"steps": 3}
    )
    save_segmenter(Path("segmenter"), UNet(config, len(SCHEMA)).eval(), facts)
    write_folders(Path(), 2, 32)


def numbers() -> None:
    """Ratings, statistics, parts and kept features."""
    Path("ratings.csv").write_text(texts.RATINGS)
    Path("wide.csv").write_text(texts.WIDE_RATINGS)
    write_folders(Path("real"), 4, 32)
    write_folders(Path("made"), 4, 32)
    Path("e.toml").write_text(texts.EXTRACTOR)
    segmenter()
    sides = ("real/tiles", "made/tiles", "--extractor", "segmenter", "--device", "cpu")
    command("eval", "fid", *sides, "--save-statistics", "statistics", "--no-cache")
    for part in ("1/2", "2/2"):
        command("eval", "fid", *sides, "--parts-folder", "parts", "--part", part)
    random = np.random.default_rng(0)
    np.savez("theirs.npz", mu=random.normal(size=8), sigma=np.cov(random.normal(size=(8, 30))))


def settings() -> None:
    """What people write: sweep, experiment, training, site; and what a sweep leaves."""
    Path("packed").mkdir()
    Path("train.toml").write_text(texts.TRAINING)
    Path("sweep.toml").write_text(texts.SWEEP)
    Path("utility.toml").write_text(texts.UTILITY)
    Path("site.toml").write_text(texts.SITE)
    _trials()
    _outcomes()


def _trials() -> None:
    from tune.plan.config import read_sweep
    from tune.plan.trial_folder import Evaluation, Outcome, TrialFolder

    sweep = read_sweep(Path("sweep.toml"))
    for number in range(3):
        folder = TrialFolder(sweep.trial_folder(number))
        folder.suggest(sweep.suggestion(number) or sweep.drawn(number))
        for step in (2, 4, 6):
            distance = 5.0 / step + number
            folder.add(Evaluation(step=step, images_seen=4 * step, distance=distance,
                                  values={"distance": distance}))  # fmt: skip
            folder.add_seconds(step, 1.5)
            folder.add_decision(step)
        (folder.path / "config.toml").write_text(texts.TRAINING)
        folder.conclude(Outcome(status="finished" if number else "failed", reason=None))


def _outcomes() -> None:
    found = outcome("real", 0, 0.8)
    facts = {
        "data_sha256": "0" * 64,
        "units": list(found.units),
        "tiles": found.tiles,
        "confusion": found.confusion_UKK.tolist(),
        "segmenter_sha256": "0" * 64,
        "training": {"steps": 3},
    }
    Path("test.json").write_text(json.dumps(facts))


def study() -> None:
    """A reader study that came back."""
    from reading import answer_rows, design, key_of_study, made_study, write_answers

    made_study(Path(), design(images=8, repeats=0, practice=0, informed=0), 8)
    key = key_of_study(Path())
    for reader in ("R1", "R2"):
        write_answers(Path("answers") / f"{reader}.csv", answer_rows(key, reader))
    command("study", "read", "answers", "study/coordinator/key.json")


PLACES: dict[str, Callable[[], None]] = {
    make.__name__: make
    for make in (data, pictures, slides, original, model, run, segmenter, numbers, study, settings)
}
