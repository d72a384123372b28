"""The data set of all parts: procedural tissue, packed."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from functools import partial

from PIL import Image

from gpu_parts.bench import Bench, Row
from histosyn.images.tiles import png_bytes
from histosyn.labels.label_map import label_png_bytes, load_schema
from histosyn.packing.pack import PackConfig, pack
from histosyn.phantom import SCHEMA, render_phantom
from hpc.parallel import map_in_order, usable_cores


def make_data(bench: Bench) -> Iterator[Row]:
    """Tiles on all cores, in shards; nothing if shards were given."""
    if bench.shards_given is not None:
        yield {"case": "given", "shards": str(bench.shards_given)}
        return
    scale, folder = bench.scale, bench.folder / "data"
    shutil.rmtree(folder, ignore_errors=True)
    started = time.perf_counter()
    schema = load_schema(SCHEMA)
    for name in ("tiles", "labels"):
        (folder / name).mkdir(parents=True)
    drawn = map_in_order(
        partial(_draw, scale.tile_size), range(scale.tiles), min(usable_cores(), scale.tiles // 8),
        batch=2,
    )  # fmt: skip
    for index, (tile, labels) in enumerate(drawn):
        (folder / f"tiles/{index:04d}.png").write_bytes(png_bytes(Image.fromarray(tile)))
        (folder / f"labels/{index:04d}.png").write_bytes(label_png_bytes(labels, schema))
    config = PackConfig(tile_format="jpg", samples_per_shard=32)
    pack(folder / "tiles", folder / "labels", folder / "packed", schema, config, processes=1)
    yield {"case": "phantom tissue", "tiles": scale.tiles, "pixels a side": scale.tile_size,
           "seconds": time.perf_counter() - started}  # fmt: skip


def _draw(size: int, index: int):
    return render_phantom(0, index, size)
