"""`histosyn pack`."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Literal

from rich.table import Table
from rich.text import Text

from launch.argument_types import Suffix
from launch.terminal.console import console

if TYPE_CHECKING:
    from histosyn.doctor.proposal import Proposal
    from histosyn.labels.label_map import LabelSchema
    from histosyn.shards.index import DatasetIndex

_AUTO = "auto"
_NO_GROUPS = (
    "Each tile was a group of its own: tiles of one patient may stand on both sides of the split, "
    "and what is measured then looks better than it is. Name the patients with --groups."
)


def pack(
    tiles: Path,
    labels: Path,
    out: Path,
    /,
    *,
    schema: str = "auto",
    objects_are: str | None = None,
    tile_suffix: Suffix = "",
    label_suffix: Suffix = "",
    bright_to_class_0: int | None = None,
    source_mpp: float | None = None,
    mpp: float | None = None,
    tile_size: int | None = None,
    overlap: int = 0,
    min_tissue: float = 0.0,
    groups: Path | None = None,
    group_column: str = "patient",
    val: float = 0.0,
    test: float = 0.0,
    seed: int = 0,
    tile_format: Literal["png", "jpg"] = "png",
    samples_per_shard: int = 512,
    processes: int | None = None,
) -> None:
    """Turn a folder of tiles and one of label maps into shards for training.

    Tiles and label maps belong together if their names are equal but for type and suffix. Writes
    OUT/train, OUT/val and OUT/test, each with WebDataset tars and a dataset.json. OUT appears when
    all is done; if packing was cut short, the same command goes on where it stopped. How label maps
    may be stored, and what a schema says of them: docs/data.md.

    Two folders: histosyn pack tiles labels packed --schema prostate-3 --tile-size 256
    --groups patients.csv --val 0.2

    One folder with a_he.png and a_mask.png: histosyn pack data data packed --schema schema.toml
    --tile-suffix _he --label-suffix _mask

    One folder as QuPath exports it, a.jpg and a.png: histosyn pack export export packed

    MATLAB pairs of the original: histosyn pack he ln packed --schema prostate-3
    --bright-to-class-0 220

    Numbered glands: histosyn pack tiles anno packed --label-suffix _anno --objects-are gland

    Parameters
    ----------
    tiles
        Folder of H&E tiles (png, jpg, tif, bmp, webp, gif; mat with a variable xx).
    labels
        Folder of label maps: class indices, or the schema's colours (mat with a variable rr).
    out
        Folder to make; it must not exist.
    schema
        Label schema: prostate-2, prostate-3, colon-10, or a TOML file. By default (auto) it is
        found by the colours of the label maps; of mere indices one is proposed, without names for
        the classes, and written to OUT/schema.toml. What leaves doubts is refused.
    objects_are
        Class of the objects that label maps number (instance maps: 0, 1, 2, ... one number an
        object): all of them become this class of the schema, 0 its first. Without --schema:
        background and this. "none" says that the values are classes although they look like such
        numbers.
    tile_suffix
        How the names of tiles end, before the type; the rest of the name makes the pair. It may
        be or include a type: .tif
    label_suffix
        How the names of label maps end: _mask, -labelled, .png
    bright_to_class_0
        The original's rule: pixels whose R, G and B all exceed this value (0..254) become class 0.
    source_mpp
        Microns per pixel of the files; of those without an entry, if the CSV has a column mpp.
    mpp
        Microns per pixel to resample to. Default: as they are.
    tile_size
        Cut larger tiles on a centred grid into squares of this many pixels. Default: leave them
        whole.
    overlap
        Pixels that neighbouring squares share.
    min_tissue
        Leave out what has a smaller share of tissue, 0 to 1; glass is brighter than 220 in R, G
        and B.
    groups
        CSV with the columns tile and, for instance, patient: groups are never split. Tiles in
        sub-folders are named with their folder (A/1.png) where two have the same name. A column
        split (train, val, test) says where each goes, a column mpp at which resolution it is.
    group_column
        Name of the column with the groups.
    val
        Share of the tiles for OUT/val, in whole groups.
    test
        Share of the tiles for OUT/test, in whole groups.
    seed
        Decides which groups go where.
    tile_format
        png is lossless; jpg (quality 95, 4:4:4) takes 0.4 times the space and a third of the time
        to read. Label maps are always png.
    samples_per_shard
        Samples in a tar file.
    processes
        How many work side by side, each with one tile at a time in memory. Default: one a core.
        Their number changes no byte of what is written.
    """
    from histosyn.labels.instances import NO_OBJECTS
    from histosyn.labels.label_map import load_schema
    from histosyn.packing.class_coverage import class_coverage_warnings
    from histosyn.packing.journal import require_absent
    from histosyn.packing.pack import PackConfig
    from histosyn.packing.pack import pack as write_shards
    from histosyn.packing.schema_choice import settle_schema
    from histosyn.sources.pairs import Naming
    from hpc.errors import ConfigError
    from hpc.log import set_up_logging, track
    from hpc.topology import Topology

    set_up_logging(Topology())
    if processes is not None and processes < 1:
        raise ConfigError(f"--processes {processes} must be at least 1.")
    config = PackConfig(
        naming=Naming(tile_suffix=tile_suffix, label_suffix=label_suffix),
        bright_to_class_0=bright_to_class_0,
        objects_are=None if objects_are == NO_OBJECTS else objects_are,
        source_mpp=source_mpp,
        mpp=mpp,
        tile_size=tile_size,
        overlap=overlap,
        min_tissue=min_tissue,
        groups=groups,
        group_column=group_column,
        val=val,
        test=test,
        seed=seed,
        tile_format=tile_format,
        samples_per_shard=samples_per_shard,
    )
    require_absent(out)
    settled = settle_schema(
        tiles,
        labels,
        config,
        None if schema == _AUTO else load_schema(schema),
        objects_none=objects_are == NO_OBJECTS,
        processes=processes,
        track=lambda looks, total: track(looks, total=total, what="label maps"),
    )
    screen = console()
    if settled.proposal is not None:
        _tell(settled.proposal, out)
    indexes = write_shards(
        tiles,
        labels,
        out,
        settled.schema,
        config,
        processes,
        lambda pairs, total: track(pairs, total=total, what="pack"),
        settled.proposal,
    )
    screen.print(_parts_table(indexes))
    screen.print(_classes_table(indexes, settled.schema))
    for note in class_coverage_warnings(indexes):
        screen.print(Text(note, "yellow"))
    if len(indexes) > 1 and groups is None:
        screen.print(Text(_NO_GROUPS, "yellow"))
    screen.print(Text(_summary(indexes, out, min_tissue)))


def _tell(proposal: Proposal, out: Path) -> None:
    """Say which schema was found or proposed, before the work begins."""
    screen = console()
    if proposal.built_in:
        known = f"the colours of the label maps are those of {proposal.schema.name}."
        screen.print(Text("No schema was named: ", "bold").append(known, "not bold"))
        return
    names = ", ".join(item.name for item in proposal.schema.classes)
    told = (
        f"the label maps do not tell what their classes are called, so they are packed as {names}, "
        f"and the schema goes to {out / 'schema.toml'}. To give the classes their names, edit a "
        "copy of that file and pack again with --schema COPY; pack other folders of the same "
        "classes with the same file."
    )
    screen.print(Text("No schema was named: ", "bold yellow").append(told, "not bold"))
    for note in proposal.notes:
        screen.print(Text(f"  {note}"))


def _summary(indexes: dict[str, DatasetIndex], out: Path, min_tissue: float) -> str:
    left_out = sum(index.made_by["crops_left_out"] for index in indexes.values())
    sentences = [f"Packed into {out}."]
    if min_tissue:
        sentences.append(f"Left out: {left_out} with less than {min_tissue:.0%} tissue.")
    part = next(iter(indexes))
    sentences.append(f"Train with: histosyn train --data.shards {quote(str(out / part))}")
    return " ".join(sentences)


def _parts_table(indexes: dict[str, DatasetIndex]) -> Table:
    table = Table("part", "samples", "groups", "shards", "MiB", "left out")
    for part, index in indexes.items():
        size = sum(shard.size_bytes for shard in index.shards) / (1 << 20)
        groups = len(index.table.groups())
        left_out = index.made_by["crops_left_out"]
        cells = (len(index), groups, len(index.shards), f"{size:.1f}", left_out)
        table.add_row(part, *map(str, cells))
    return table


def _classes_table(indexes: dict[str, DatasetIndex], schema: LabelSchema) -> Table:
    """One row a class, so that any number of classes fits; shares are of the labelled pixels."""
    table = Table("index")
    table.add_column("class", overflow="fold")
    for part in indexes:
        table.add_column(f"{part} pixels", no_wrap=True)
        table.add_column(f"{part} tiles", no_wrap=True)
    for number, item in enumerate(schema.classes):
        cells = []
        for index in indexes.values():
            count, total = index.class_pixels[number], sum(index.class_pixels)
            cells.append(f"{count / total:.2%}" if total else "-")
            cells.append(str(index.class_samples[number]))
        table.add_row(str(number), item.name, *cells)
    return table
