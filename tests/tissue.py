"""Small data sets and configurations that tests build in a moment."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from histosyn.config.data import DataConfig
from histosyn.config.networks import DiscriminatorConfig, GeneratorConfig
from histosyn.config.run import RunConfig
from histosyn.config.train import TrainConfig
from histosyn.images.tiles import png_bytes
from histosyn.labels.label_map import LabelSchema, label_png_bytes, load_schema
from histosyn.packing.pack import PackConfig, pack

SCHEMA = load_schema("prostate-3")
SHARED = Path(__file__).parents[2] / "shared"


def blobs(index: int, size: int, schema: LabelSchema = SCHEMA) -> tuple[np.ndarray, np.ndarray]:
    """A tile of coloured, slightly noisy cells and its label map."""
    random = np.random.default_rng(index)
    coarse = random.integers(0, len(schema), (size // 8, size // 8))
    labels = np.kron(coarse, np.ones((8, 8), dtype=int)).astype(np.uint8)
    noise = random.integers(-12, 13, (size, size, 3))
    tile = np.clip(schema.palette[labels].astype(int) + noise, 0, 255).astype(np.uint8)
    return tile, labels


def write_folders(root: Path, count: int = 12, size: int = 64) -> tuple[Path, Path]:
    """Folders of tiles and label maps, named tile-00, tile-01, ..."""
    tiles, labels = root / "tiles", root / "labels"
    tiles.mkdir(parents=True)
    labels.mkdir()
    for index in range(count):
        tile, label = blobs(index, size)
        (tiles / f"tile-{index:02d}.png").write_bytes(png_bytes(Image.fromarray(tile)))
        (labels / f"tile-{index:02d}.png").write_bytes(label_png_bytes(label, SCHEMA))
    return tiles, labels


def pack_blobs(root: Path, count: int = 12, size: int = 64, samples_per_shard: int = 4) -> Path:
    """A packed data set of blobs; returns the folder of its train part."""
    tiles, labels = write_folders(root / "source", count, size)
    config = PackConfig(samples_per_shard=samples_per_shard)
    pack(tiles, labels, root / "packed", SCHEMA, config)
    return root / "packed" / "train"


def tiny_config(shards: Path, folder: Path, **run: object) -> TrainConfig:
    """Small networks without what the recipe adds, and a run of a few float64 steps."""
    settings = {"steps": 10, "precision": "float64", "device": "cpu", "report_every": 1,
                "sample_every": 100, "checkpoint_every": 100,
                "recalibrate_batches": 2} | run  # fmt: skip
    return TrainConfig(
        data=DataConfig(shards=shards, global_batch=4, workers=0),
        generator=GeneratorConfig(
            base_channels=4,
            max_multiplier=4,
            upsamplings=4,
            label_channels=8,
            noise_channels=8,
            upsampling="nearest",
            border="zeros",
            stain=False,
        ),
        discriminator=DiscriminatorConfig(
            base_channels=4, layers=3, scales=2, grain_channels=0, pretrained="none"
        ),
        run=RunConfig(folder=folder, **settings),
    )
