"""From a pair of files to encoded samples. Runs in worker processes: nothing here imports torch."""

from __future__ import annotations

import io
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from histosyn.images.origin import marked_options, says_synthetic
from histosyn.images.resampling import resample
from histosyn.images.tiles import glass_share
from histosyn.labels.instances import class_for_objects, read_objects
from histosyn.labels.label_map import LabelSchema, label_png_bytes
from histosyn.packing.config import PackConfig, TileFormat
from histosyn.packing.jobs import Job
from histosyn.packing.tiling import grid_windows
from histosyn.shards.index import FACTS_SUFFIX, LABEL_SUFFIX
from histosyn.sources.files import read_source_labels, read_source_tile
from histosyn.sources.pairs import Pair
from hpc.errors import DatasetError

# Tissue is noisy: of PNG's means only the filters and the entropy coder gain on it; to search for
# repetitions costs time and gains nothing (benchmarks/formats.py). 4:4:4 keeps the colours of
# nuclei.
_ENCODERS: dict[TileFormat, dict[str, Any]] = {
    "png": {"format": "PNG", "compress_level": 1, "compress_type": zlib.Z_RLE},
    "jpg": {"format": "JPEG", "quality": 95, "subsampling": 0},
}


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A sample on its way into a shard: its members by suffix, its size (H, W) in pixels."""

    key: str
    members: dict[str, bytes]
    size: tuple[int, int]
    class_pixels: np.ndarray


@dataclass(frozen=True, kw_only=True)
class CutPair:
    """The samples of a job, and how many crops were left out: too little tissue, no annotation.

    `unread` says why other crops could not be read, where the rest is packed all the same.
    """

    samples: tuple[Sample, ...]
    left_out: int
    unread: tuple[str, ...] = ()


def cut_pair(job: Job, schema: LabelSchema, config: PackConfig) -> CutPair:
    """Read, resample, cut and encode a pair.

    Raises DatasetError or LabelError, naming the file, if it does not fit.
    """
    tile, labels = _read_pair(job.pair, schema, config.objects_are)
    if config.bright_to_class_0 is not None:
        labels = np.where((tile > config.bright_to_class_0).all(axis=2), np.uint8(0), labels)
    tile, labels = resample(tile, labels, config.scale_of(job.mpp))
    synthetic = says_synthetic(job.pair.tile)
    samples, left_out = [], 0
    for name, place, area in _areas(job, labels.shape, config):
        crop = tile[area]
        if config.min_tissue and 1 - glass_share(crop) < config.min_tissue:
            left_out += 1
            continue
        facts = {"source": job.pair.key, "group": job.group, "mpp": config.mpp or job.mpp} | place
        made = encoded(name, crop, labels[area], facts, schema, config.tile_format, synthetic)
        samples.append(made)
    return CutPair(samples=tuple(samples), left_out=left_out)


def _read_pair(
    pair: Pair, schema: LabelSchema, objects_are: str | None
) -> tuple[np.ndarray, np.ndarray]:
    """Tile uint8 (H, W, 3) and label map uint8 (H, W), objects folded into the class they are."""
    tile = read_source_tile(pair.tile)
    if objects_are is None:
        labels = read_source_labels(pair.label, schema)
    else:
        index = class_for_objects(objects_are, schema)
        labels = read_objects(pair.label, index, str(pair.label))
    if tile.shape[:2] != labels.shape:
        lying = tile.shape[:2] == labels.shape[::-1]
        raise DatasetError(
            f"{pair.tile} is {tile.shape[1]}x{tile.shape[0]} pixels, but {pair.label} is "
            f"{labels.shape[1]}x{labels.shape[0]}. They must be equal"
            f"{', and both upright (see EXIF orientation in docs/images.md)' if lying else ''}."
        )
    return tile, labels


def _areas(
    job: Job, shape: tuple[int, int], config: PackConfig
) -> Iterator[tuple[str, dict[str, int], tuple[slice, slice]]]:
    """Name, place in the grid and area of each sample."""
    if config.tile_size is None:
        yield job.key, {}, (slice(None), slice(None))
        return
    name = f"{job.pair.tile}{f', at {config.mpp} microns per pixel,' if config.mpp else ''}"
    for window in grid_windows(shape, config.tile_size, name, config.overlap):
        place = {"row": window.row, "column": window.column}
        yield f"{job.key}_r{window.row}c{window.column}", place, window.area


def encoded(
    key: str,
    tile: np.ndarray,
    labels: np.ndarray,
    facts: dict[str, Any],
    schema: LabelSchema,
    tile_format: TileFormat,
    synthetic: bool = False,
) -> Sample:
    """A sample of a tile uint8 (H, W, 3), its label map uint8 (H, W), and what is known of it.

    One of a `synthetic` tile keeps the mark of such images.
    """
    buffer, options = io.BytesIO(), _ENCODERS[tile_format]
    marked = marked_options(options["format"]) if synthetic else {}
    Image.fromarray(tile).save(buffer, **options, **marked)
    return Sample(
        key=key,
        members={
            f"tile.{tile_format}": buffer.getvalue(),
            LABEL_SUFFIX: label_png_bytes(labels, schema),
            FACTS_SUFFIX: json.dumps(facts).encode(),
        },
        size=(labels.shape[0], labels.shape[1]),
        class_pixels=np.bincount(labels.ravel(), minlength=256)[: len(schema)],
    )
