"""Start and resume of an epoch of ten million samples in ten thousand shards.

    python benchmarks/large_epoch.py [TILES LABELS --schema NAME]

The index is real; the shards are ten thousand links to one packed shard of 1000 tiles, so that
every sample can be read. Each measurement is a process of its own: what it imports is not counted.
For comparison, the same offsets in one JSON file, as an index is often written.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from histosyn.labels.label_map import load_schema
from histosyn.packing.pack import PackConfig, pack
from histosyn.phantom import SCHEMA, write_phantom
from histosyn.shards.dataset import open_shards
from histosyn.shards.index import INDEX_NAME, DatasetIndex
from histosyn.shards.index_file import _as_text
from histosyn.shards.samples_table import SAMPLES_NAME, SamplesTable, write_table
from histosyn.shards.stream import ShardStream

SHARDS, PER_SHARD, BATCH, REPEATS = 10_000, 1000, 32, 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="*", type=Path)
    parser.add_argument("--schema", help="of TILES and LABELS")
    arguments = parser.parse_args()
    if bool(arguments.folders) != bool(arguments.schema):
        parser.error("TILES and LABELS need --schema, and the phantom that stands in for them none")
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        large = multiply(
            one_shard(root, arguments.folders, arguments.schema or SCHEMA), root / "large"
        )
        table_mib = (large / SAMPLES_NAME).stat().st_size / 2**20
        index_mib = (large / INDEX_NAME).stat().st_size / 2**20
        print(f"{SHARDS * PER_SHARD:,} samples in {SHARDS:,} shards: {INDEX_NAME} {index_mib:.1f} "
              f"MiB, {SAMPLES_NAME} {table_mib:.0f} MiB")  # fmt: skip
        report("open the index", [alone(open_index, large) for _ in range(REPEATS)])
        for share in (0.0, 0.5, 0.9):
            first = int(share * SHARDS * PER_SHARD) // BATCH
            report(
                f"first batch of {BATCH} at {share:.0%} of the epoch",
                [alone(first_batch, large, first) for _ in range(REPEATS)],
            )
        rare = [alone(first_batch, large, 0, 0.5) for _ in range(2)]
        report("first batch when rare classes come more often", rare)
        as_json(large, root / "all.json", 1000)
        report("for comparison, open a tenth of it as one JSON file",
               [alone(load_json, root / "all.json") for _ in range(2)])  # fmt: skip


def one_shard(root: Path, folders: list[Path], schema: str) -> Path:
    """A packed folder with one shard of 1000 tiles."""
    if not folders:
        write_phantom(root / "phantom", count=16, size=512, seed=0)
        folders = [root / "phantom" / "tiles", root / "phantom" / "labels"]
    config = PackConfig(tile_size=128, overlap=64, samples_per_shard=PER_SHARD)
    pack(folders[0], folders[1], root / "packed", load_schema(schema), config)
    return root / "packed" / "train"


def multiply(packed: Path, large: Path) -> Path:
    """The same shard ten thousand times, and an index of all."""
    index = open_shards(packed).index
    if index.shards[0].samples < PER_SHARD:
        raise SystemExit(f"{packed} has fewer than {PER_SHARD} tiles of 128 pixels.")
    large.mkdir()
    rows = np.array(index.table.rows[:PER_SHARD])
    shards = tuple(
        replace(index.shards[0], name=f"shard-{number:06d}.tar", samples=PER_SHARD)
        for number in range(SHARDS)
    )
    for shard in shards:
        (large / shard.name).symlink_to(packed / index.shards[0].name)
    write_table(large / SAMPLES_NAME, rows.dtype, SHARDS * PER_SHARD, repeated(rows))
    whole = replace(
        index,
        shards=shards,
        class_samples=tuple(count * SHARDS for count in index.class_samples),
        table=SamplesTable(large / SAMPLES_NAME, SHARDS * PER_SHARD, len(index.schema)),
    )
    (large / INDEX_NAME).write_text(_as_text(whole))
    return large


def repeated(rows: np.ndarray) -> Iterator[np.ndarray]:
    for _ in range(SHARDS):
        yield rows


def open_index(large: Path) -> object:
    reader = open_shards(large)
    reader.index.entry(SHARDS - 1, PER_SHARD - 1)
    return reader


def first_batch(large: Path, number: int, threshold: float | None = None) -> object:
    reader = open_shards(large)
    stream = ShardStream(reader, global_batch=BATCH, seed=0, rare_class_threshold=threshold)
    return next(stream.batches(number))


def as_json(large: Path, path: Path, shards: int) -> None:
    index: DatasetIndex = open_shards(large).index
    entries = [asdict(entry) for entry in index.entries(0)]
    path.write_text(json.dumps([entries] * shards))


def load_json(path: Path) -> Any:
    return json.loads(path.read_text())


def alone(function: Callable[..., object], *arguments: object) -> tuple[float, float, float]:
    """Seconds, and MiB of own memory and of mapped files, that a call takes in a new process."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return pool.apply(_measured, (function, arguments))


def _measured(
    function: Callable[..., object], arguments: tuple[object, ...]
) -> tuple[float, float, float]:
    before = memory_mib()
    started = time.perf_counter()
    kept = function(*arguments)
    seconds = time.perf_counter() - started
    own, mapped = (now - then for now, then in zip(memory_mib(), before, strict=True))
    assert kept is not None
    return seconds, own, mapped


def memory_mib() -> tuple[float, float]:
    """Resident memory of this process's own, and of files that it has mapped."""
    lines = Path("/proc/self/status").read_text().splitlines()
    kib = {line.split(":")[0]: int(line.split()[1]) for line in lines if line.startswith("Rss")}
    return kib["RssAnon"] / 1024, kib["RssFile"] / 1024


def report(what: str, measurements: list[tuple[float, float, float]]) -> None:
    medians = [statistics.median(values) for values in zip(*measurements, strict=True)]
    print(
        "{}: {:.0f} ms, {:.0f} MiB, and {:.0f} MiB mapped".format(
            what, medians[0] * 1000, *medians[1:]
        )
    )


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
