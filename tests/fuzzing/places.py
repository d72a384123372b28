"""Folders of sound files, made anew in a moment; each is made in a child, in the current folder."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from experimenting import outcome
from fuzzing.sample import command
from original_weights import filled
from painting import random_model, stripes
from PIL import Image
from scipy.io import savemat
from tissue import SCHEMA, blobs, write_folders

TRAINING = """
[data]
shards = "packed/train"
global_batch = 2
workers = 0
[generator]
base_channels = 2
max_multiplier = 2
upsamplings = 3
label_channels = 4
noise_channels = 4
[discriminator]
base_channels = 2
layers = 2
scales = 1
[run]
folder = "run"
steps = 2
device = "cpu"
precision = "float32"
report_every = 1
checkpoint_every = 1
sample_every = 1000
recalibrate_batches = 1
"""
SWEEP = """
[train.data]
shards = "packed/train"
global_batch = 4
[train.run]
steps = 8
[search]
optimizer.generator_lr = { log_uniform = [1e-5, 1e-3] }
loss.feature_matching = { choice = [1, 5, 10] }
[sweep]
folder = "sweep"
validation = "packed/train"
samples = 3
evaluate_every = 2
grace_period = 2
"""
UTILITY = """
[data]
real = "packed/train"
test = "packed/test"
synthetic = ["packed/val"]
global_batch = 4
[experiment]
margin = 0.1
folder = "experiment"
seeds = [0, 1]
shares = [0.5, 1.0]
arms = ["real", "synthetic"]
[network]
base_channels = 4
halvings = 2
"""
EXTRACTOR = 'name = "e"\nsize = 32\nfilter = "bicubic"\nmean = [0, 0, 0]\nstd = [1, 1, 1]\n'
RATINGS = "image,rater,rating,arm\n" + "".join(
    f"i{number},{rater},{1 + (number + (rater == 'b' and number % 3 == 0)) % 4},"
    f"{'real' if number % 2 else 'synthetic'}\n"
    for number in range(12)
    for rater in "ab"
)
WIDE_RATINGS = "image;A;B;C\n" + "".join(
    f"i{number};{1 + number % 3};{1 + (number + 1) % 3 if number % 4 else ''};{1 + number % 3}\n"
    for number in range(8)
)


def _source(count: int = 6, size: int = 32) -> None:
    write_folders(Path(), count, size)
    rows = [f"tile-{n:02d},p{n // 2},{('train', 'val', 'test')[n // 2 % 3]}" for n in range(count)]
    Path("groups.csv").write_text("tile,patient,split\n" + "\n".join(rows) + "\n")


def data() -> None:
    """Tiles, label maps, tables, shards of ours and of other tools."""
    _source()
    Path("resolutions.csv").write_text("tile,mpp\n" + "".join(f"tile-{n:02d},0.5\n" for n in range(6)))
    command("pack", "tiles", "labels", "packed", "--schema", "prostate-3", "--samples-per-shard", "2",
            "--groups", "groups.csv")  # fmt: skip
    Path("schema.toml").write_text(
        'name = "mine"\nignore = 255\n'
        + "".join(f'[[classes]]\nname = "{item.name}"\ncolor = "{item.color}"\n' for item in SCHEMA.classes)
    )
    for name, how in (("foreign", tarfile.PAX_FORMAT), ("gnu", tarfile.GNU_FORMAT)):
        Path(name).mkdir()
        with tarfile.open(f"{name}/a.tar", "w", format=how) as tar:
            for number in range(2):
                _add(tar, f"{'long-' * 30}{number}.tile.png", Path(f"tiles/tile-0{number}.png").read_bytes())
                _add(tar, f"{'long-' * 30}{number}.label.png", Path(f"labels/tile-0{number}.png").read_bytes())
                _add(tar, f"{'long-' * 30}{number}.json", json.dumps({"group": "p", "mpp": 0.5}).encode())


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    tar.addfile(info, io.BytesIO(content))


def pictures() -> None:
    """A tile in every format that is read, and label maps."""
    tile, labels = blobs(0, 32)
    image = Image.fromarray(tile)
    for name, how in {
        "rgb.png": {}, "tile.jpg": {"quality": 90}, "progressive.jpg": {"progressive": True},
        "plain.tif": {}, "deflate.tif": {"compression": "tiff_adobe_deflate"},
        "lzw.tif": {"compression": "tiff_lzw"}, "jpeg.tif": {"compression": "jpeg"},
        "tile.bmp": {}, "tile.webp": {"lossless": True}, "tile.gif": {},
    }.items():  # fmt: skip
        image.save(name, **how)
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save("turned.jpg", exif=exif)
    image.convert("RGBA").save("rgba.png")
    Image.fromarray(labels).save("indices.png")
    Image.fromarray(labels).save("indices.tif")
    Image.fromarray(SCHEMA.palette[labels].astype(np.uint8)).save("colours.png")
    Image.fromarray(SCHEMA.palette[labels].astype(np.uint8)).convert("P", palette=Image.Palette.ADAPTIVE).save("palette.png")  # fmt: skip
    savemat("tile.mat", {"xx": tile}, do_compression=True)
    savemat("labels.mat", {"rr": labels.astype(float)}, do_compression=False)


def original() -> None:
    """Weights of the original, narrow."""
    import torch

    from histosyn.original_layout import Layout, shapes

    narrow = Layout(base_channels=2, noise_channels=6, embedding_channels=8, grid_size=2)
    state = filled(shapes(narrow))
    torch.save(state, "new.pth")
    torch.save(state, "old.pth", _use_new_zipfile_serialization=False)


def model() -> None:
    """A model, its tiles and those of a sitting."""
    random_model(Path("model"))
    Path("labels").mkdir()
    for number in range(2):
        Image.fromarray(blobs(number, 32)[1]).save(f"labels/tile-0{number}.png")
    command("synth", "model", "labels", "out")
    _paint()
    # A request as the page sends it; the reader puts in the token.
    body = stripes(32, 32).tobytes() + bytes(32 * 32)
    Path("paint.http").write_bytes(
        b"POST /api/synthesize HTTP/1.1\r\nHost: localhost:8765\r\nX-Histosyn-Token: token\r\n"
        b"Origin: http://localhost:8765\r\nContent-Type: application/octet-stream\r\n"
        b"X-Histosyn-Size: 32x32\r\nX-Histosyn-Seeds: 1,2\r\nX-Histosyn-Name: a%%20b\r\n"
        b"Content-Length: %d\r\nConnection: close\r\n\r\n%b" % (len(body), body)
    )
    Path("read.http").write_bytes(
        Path("paint.http").read_bytes().partition(b"\r\n\r\n")[0].replace(b"synthesize", b"read")
        .replace(b"application/octet-stream", b"image/png").replace(b"Length: %d" % len(body), b"Length: %d" % Path("labels/tile-00.png").stat().st_size)
        + b"\r\n\r\n" + Path("labels/tile-00.png").read_bytes()
    )  # fmt: skip
    Path("save.http").write_bytes(Path("paint.http").read_bytes().replace(b"synthesize", b"save"))


def _paint() -> None:
    import torch

    from histosyn.model_folder import load_model
    from histosyn.paint.easel import Easel
    from histosyn.paint.painting import Painting
    from histosyn.paint.sitting import Sitting
    from histosyn.rerolls import Rerolls

    areas = np.zeros((32, 32), np.uint8)
    areas[8:16, 8:16] = 1
    painting = Painting(labels_HW=stripes(32, 32), seed=3, rerolls=Rerolls(areas_HW=areas, seeds=(7,)))
    easel = Easel(load_model("model", torch.device("cpu")), name="model")
    Sitting(Path("sitting")).save(easel, painting, "one")


def run() -> None:
    """A training run of two steps, to look at, to go on with, to draw from."""
    _source(4)
    command("pack", "tiles", "labels", "packed", "--schema", "prostate-3")
    shutil.rmtree("tiles")
    Path("train.toml").write_text(TRAINING)
    command("train", "--config", "train.toml")


def segmenter() -> None:
    """A segmenter, and tiles for it to read."""
    import torch

    from eval.segmenter.config import NetworkConfig
    from eval.segmenter.model import SegmenterFacts, save_segmenter
    from eval.segmenter.network import UNet

    torch.manual_seed(0)
    config = NetworkConfig(base_channels=2, max_multiplier=2, halvings=2)
    facts = SegmenterFacts(
        network=config, schema=SCHEMA, tile_size=(32, 32), mpp=0.5, training={"steps": 3}
    )
    save_segmenter(Path("segmenter"), UNet(config, len(SCHEMA)).eval(), facts)
    write_folders(Path(), 2, 32)


def numbers() -> None:
    """Ratings, statistics, parts and kept features."""
    Path("ratings.csv").write_text(RATINGS)
    Path("wide.csv").write_text(WIDE_RATINGS)
    write_folders(Path("real"), 4, 32)
    write_folders(Path("made"), 4, 32)
    Path("e.toml").write_text(EXTRACTOR)
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
    Path("train.toml").write_text(TRAINING)
    Path("sweep.toml").write_text(SWEEP)
    Path("utility.toml").write_text(UTILITY)
    Path("site.toml").write_text(
        'gpus_per_node = 2\ncpus_per_task = 8\ntime = "1:00:00"\npartition = "gpu"\n'
        'memory = "128G"\noptions = ["--constraint=a100"]\nmodules = ["cuda/12.4"]\n'
        'setup = ["source .venv/bin/activate"]\n'
    )
    _trials()
    _outcomes()


def _trials() -> None:
    from tune.config import read_sweep
    from tune.trial_folder import Evaluation, Outcome, TrialFolder

    sweep = read_sweep(Path("sweep.toml"))
    for number in range(3):
        folder = TrialFolder(sweep.trial_folder(number))
        folder.path.mkdir(parents=True)
        for step in (2, 4, 6):
            folder.add(Evaluation(step=step, images_seen=4 * step, distance=5.0 / step + number))
            folder.add_decision(step)
        (folder.path / "config.toml").write_text(TRAINING)
        folder.conclude(Outcome(status="finished" if number else "failed", reason=None))


def _outcomes() -> None:
    found = outcome("real", 0, 0.8)
    Path("test.json").write_text(
        json.dumps({
            "data_sha256": "0" * 64, "units": list(found.units), "tiles": found.tiles,
            "confusion": found.confusion_UKK.tolist(), "segmenter_sha256": "0" * 64,
            "training": {"steps": 3},
        })
    )  # fmt: skip


PLACES: dict[str, Callable[[], None]] = {
    make.__name__: make
    for make in (data, pictures, original, model, run, segmenter, numbers, settings)
}
