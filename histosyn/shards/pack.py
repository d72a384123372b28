"""Packing: two folders in, WebDataset shards and `dataset.json` out, all of it or nothing."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from webdataset import TarWriter

from histosyn.images import png_bytes
from histosyn.labels import LabelSchema, label_png_bytes
from histosyn.pairs import Pair, Pairing, pair_folders
from histosyn.shards.cut import grid_windows, resample
from histosyn.shards.index import DatasetIndex, ShardRecord
from histosyn.shards.index_file import load_index, write_index
from histosyn.shards.records import Described, record_shard
from histosyn.shards.split import TEST, TRAIN, VAL, match_facts, read_tile_facts, split_groups
from histosyn.sources import read_source_labels, read_source_tile
from hpc.errors import ConfigError, DatasetError
from hpc.files import atomic_folder

Track = Callable[[list[Pair]], Iterator[Pair]]


@dataclass(frozen=True, kw_only=True)
class PackConfig:
    """How folders become shards. `mpp` is microns per pixel."""

    tile_size: int | None = None
    source_mpp: float | None = None
    mpp: float | None = None
    groups: Path | None = None
    group_column: str = "patient"
    val: float = 0.0
    test: float = 0.0
    seed: int = 0
    samples_per_shard: int = 512

    def __post_init__(self) -> None:
        if self.mpp is not None and self.source_mpp is None:
            raise ConfigError("To resample to --mpp, say at which the tiles are: --source-mpp.")
        for name in ("tile_size", "source_mpp", "mpp", "samples_per_shard"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise ConfigError(f"{name} = {value} must be positive.")

    @property
    def scale(self) -> float:
        """By which factor tiles are resized."""
        return 1.0 if self.mpp is None or self.source_mpp is None else self.source_mpp / self.mpp


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One sample on its way into a shard."""

    key: str
    tile: bytes
    label: bytes
    facts: dict[str, Any]
    size: tuple[int, int]
    class_pixels: np.ndarray


def pack(
    tiles: Path,
    labels: Path,
    out: Path,
    schema: LabelSchema,
    config: PackConfig,
    track: Track = iter,
) -> dict[str, DatasetIndex]:
    """Write `out/train` (and `out/val`, `out/test`) from pairs of tiles and label maps.

    Returns the index of each part. Raises DatasetError or LabelError for the first file that does
    not fit; `out` does not exist then.
    """
    pairs = _complete(pair_folders(tiles, labels))
    group_of = _groups_of(pairs, config)
    shares = {VAL: config.val, TEST: config.test}
    part_of = split_groups(Counter(group_of.values()), shares, config.seed)
    made_by = {
        "histosyn": version("histosyn"),
        "command": "pack",
        "config": {name: _plain(value) for name, value in asdict(config).items()},
    }
    parts = [TRAIN, *(part for part, share in shares.items() if share > 0)]
    with atomic_folder(out) as folder:
        for part in parts:
            members = [pair for pair in pairs if part_of[group_of[pair.key]] == part]
            samples = _samples(track(members), group_of, schema, config)
            _write_part(folder / part, samples, schema, config, made_by)
    return {part: load_index(out / part) for part in parts}


def _complete(pairing: Pairing) -> tuple[Pair, ...]:
    for lonely, partner in (
        (pairing.tiles_without_label, "label map"),
        (pairing.labels_without_tile, "tile"),
    ):
        if lonely:
            raise DatasetError(
                f"{lonely[0]} has no {partner} of the same name"
                + (f" (and {len(lonely) - 1} more)" if len(lonely) > 1 else "")
                + ". Add what is missing or remove the file; `histosyn doctor` lists them all."
            )
    return pairing.pairs


def _groups_of(pairs: tuple[Pair, ...], config: PackConfig) -> dict[str, str]:
    """Group of each pair's key. Without a groups file each file is a group of its own."""
    if config.groups is None:
        return {pair.key: pair.key for pair in pairs}
    facts = read_tile_facts(config.groups, config.group_column)
    facts_of = match_facts([pair.key for pair in pairs], facts, config.groups)
    for pair in pairs:
        if pair.key not in facts_of:
            name = pair.key + pair.tile.suffix
            raise DatasetError(f"{config.groups} says nothing of {name}. Add a line.")
    return {key: known.group for key, known in facts_of.items()}


def _samples(
    pairs: Iterator[Pair], group_of: dict[str, str], schema: LabelSchema, config: PackConfig
) -> Iterator[Sample]:
    for pair in pairs:
        tile, labels = read_pair(pair, schema)
        tile, labels = resample(tile, labels, config.scale)
        facts = {
            "source": pair.key,
            "group": group_of[pair.key],
            "mpp": config.mpp or config.source_mpp,
        }
        key = pair.key.replace("/", "__").replace(".", "-")
        if config.tile_size is None:
            yield _sample(key, tile, labels, schema, facts)
            continue
        for row, column, window in grid_windows(labels.shape, config.tile_size, str(pair.tile)):
            place = {"row": row, "column": column}
            name = f"{key}_r{row}c{column}"
            yield _sample(name, tile[window], labels[window], schema, facts | place)


def read_pair(pair: Pair, schema: LabelSchema) -> tuple[np.ndarray, np.ndarray]:
    """Tile uint8 (H, W, 3) and label map uint8 (H, W); raises DatasetError if sizes differ."""
    tile = read_source_tile(pair.tile)
    labels = read_source_labels(pair.label, schema)
    if tile.shape[:2] != labels.shape:
        raise DatasetError(
            f"{pair.tile} is {tile.shape[0]}x{tile.shape[1]} pixels, but {pair.label} is "
            f"{labels.shape[0]}x{labels.shape[1]}. They must be equal."
        )
    return tile, labels


def _sample(
    key: str, tile: np.ndarray, labels: np.ndarray, schema: LabelSchema, facts: dict[str, Any]
) -> Sample:
    return Sample(
        key=key,
        tile=png_bytes(Image.fromarray(tile)),
        label=label_png_bytes(labels, schema),
        facts=facts,
        size=(labels.shape[0], labels.shape[1]),
        class_pixels=np.bincount(labels.ravel(), minlength=256)[: len(schema)],
    )


def _write_part(
    folder: Path,
    samples: Iterator[Sample],
    schema: LabelSchema,
    config: PackConfig,
    made_by: dict[str, Any],
) -> None:
    folder.mkdir()
    seen: dict[str, str | None] = {}
    records: list[ShardRecord] = []
    size: tuple[int, int] | None = None
    shards = groupby(enumerate(samples), lambda item: item[0] // config.samples_per_shard)
    for number, members in shards:
        path = folder / f"shard-{number:06d}.tar"
        described: dict[str, Described] = {}
        with _opened_shard(path) as writer:
            for _, sample in members:
                size = size or sample.size
                _check_new(sample, size, seen)
                writer.write(_members(sample))
                seen[sample.key] = sample.facts["group"]
                described[sample.key] = Described(
                    group=sample.facts["group"], class_pixels=sample.class_pixels
                )
        records.append(record_shard(path, described))
    if size is None:
        raise DatasetError("There is no pair of a tile and a label map. Check the file names.")
    write_index(
        folder,
        schema=schema,
        tile_size=size,
        mpp=config.mpp or config.source_mpp,
        records=records,
        made_by=made_by,
    )


@contextmanager
def _opened_shard(path: Path) -> Iterator[TarWriter]:
    """webdataset gets an open file: of a path it would make a URL, which can name a command.

    Fixed times and owners: the same input gives the same bytes.
    """
    with (
        path.open("wb") as file,
        TarWriter(file, mtime=0, user="", group="", encoder=False) as writer,
    ):
        yield writer


def _members(sample: Sample) -> dict[str, Any]:
    return {
        "__key__": sample.key,
        "tile.png": sample.tile,
        "label.png": sample.label,
        "json": json.dumps(sample.facts).encode(),
    }


def _check_new(sample: Sample, size: tuple[int, int], seen: dict[str, str | None]) -> None:
    if sample.size != size:
        raise DatasetError(
            f"{sample.facts['source']} is {sample.size[0]}x{sample.size[1]} pixels, others are "
            f"{size[0]}x{size[1]}. Cut all to one size with --tile-size."
        )
    if sample.key in seen:
        raise DatasetError(
            f"Two files give the sample name {sample.key!r} (points and slashes are replaced). "
            "Rename one."
        )


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else value
