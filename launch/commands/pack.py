"""`histosyn pack`."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from rich.table import Table

from launch.console import console

if TYPE_CHECKING:
    from histosyn.labels import LabelSchema
    from histosyn.shards.index import DatasetIndex


def pack(
    tiles: Path,
    labels: Path,
    out: Path,
    *,
    schema: str = "prostate-3",
    tile_size: int | None = None,
    source_mpp: float | None = None,
    mpp: float | None = None,
    groups: Path | None = None,
    group_column: str = "patient",
    val: float = 0.0,
    test: float = 0.0,
    seed: int = 0,
    samples_per_shard: int = 512,
) -> None:
    """Turn a folder of tiles and one of label maps into shards for training.

    Tiles and label maps belong together if their names are equal but for the suffix. Writes
    OUT/train, OUT/val and OUT/test, each with WebDataset tars and a dataset.json.

    Example: histosyn pack tiles labels packed --tile-size 256 --groups patients.csv --val 0.2

    Parameters
    ----------
    tiles
        Folder of H&E tiles (png, jpg, tif, bmp).
    labels
        Folder of label maps: class indices, or the schema's colours.
    out
        Folder to make; it must not exist.
    schema
        Label schema: prostate-2, prostate-3, colon-10, or a TOML file.
    tile_size
        Cut larger tiles on a grid into squares of this many pixels. Default: leave them whole.
    source_mpp
        Microns per pixel of the files.
    mpp
        Microns per pixel to resample to. Default: as they are.
    groups
        CSV with the columns `tile` and, for instance, `patient`: groups are never split. Tiles in
        sub-folders are named with their folder (A/1.png) where two have the same name.
    group_column
        Name of the second column.
    val
        Share of the tiles for OUT/val, in whole groups.
    test
        Share of the tiles for OUT/test, in whole groups.
    seed
        Decides which groups go where.
    samples_per_shard
        Samples in a tar file.
    """
    from histosyn.labels import load_schema
    from histosyn.shards.pack import PackConfig
    from histosyn.shards.pack import pack as write_shards
    from hpc.log import set_up_logging, track
    from hpc.topology import Topology

    set_up_logging(Topology())
    config = PackConfig(
        tile_size=tile_size,
        source_mpp=source_mpp,
        mpp=mpp,
        groups=groups,
        group_column=group_column,
        val=val,
        test=test,
        seed=seed,
        samples_per_shard=samples_per_shard,
    )
    label_schema = load_schema(schema)
    indexes = write_shards(
        tiles,
        labels,
        out,
        label_schema,
        config,
        lambda pairs: track(pairs, total=len(pairs), what="pack"),
    )
    screen = console()
    screen.print(_parts_table(indexes))
    screen.print(_classes_table(indexes, label_schema))
    train = quote(str(out / "train"))
    screen.print(f"Packed into {out}. Train with: histosyn train --data.shards {train}")


def _parts_table(indexes: dict[str, DatasetIndex]) -> Table:
    table = Table("part", "samples", "groups", "shards")
    for part, index in indexes.items():
        groups = index.table.groups()
        table.add_row(part, str(len(index)), str(len(groups)), str(len(index.shards)))
    return table


def _classes_table(indexes: dict[str, DatasetIndex], schema: LabelSchema) -> Table:
    """One row a class, so that any number of classes fits; shares are of the labelled pixels."""
    table = Table("index")
    table.add_column("class", overflow="fold")
    for part in indexes:
        table.add_column(part, no_wrap=True)
    for number, item in enumerate(schema.classes):
        pixels = [
            (index.class_pixels[number], sum(index.class_pixels)) for index in indexes.values()
        ]
        shares = [f"{count / total:.1%}" if total else "-" for count, total in pixels]
        table.add_row(str(number), item.name, *shares)
    return table
