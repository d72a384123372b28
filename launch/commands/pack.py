"""`histosyn pack`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter
from cyclopts.validators import Number as InRange
from rich.text import Text

from hpc.errors import ConfigError, InputError, PartialFailureError
from hpc.job_array import Part, parse_part
from launch.argument_types import Suffix
from launch.terminal.console import console, say
from launch.terminal.packing import classes_table, parts_table, summary, tell_schema

if TYPE_CHECKING:
    from histosyn.labels.schema import LabelSchema
    from histosyn.packing.config import PackConfig
    from histosyn.packing.samples import CutPair
    from histosyn.packing.schema_choice import Settled
    from histosyn.shards.index import DatasetIndex

_AUTO = "auto"
_NO_GROUPS = (
    "Each tile was a group of its own: tiles of one patient may stand on both sides of the split, "
    "and what is measured then looks better than it is. Name the patients with --groups."
)


def pack(
    tiles: Path,
    labels: Path,
    out: Path | None = None,
    /,
    *,
    schema: str = "auto",
    objects_are: str | None = None,
    unlabelled: Annotated[int | None, Parameter(validator=InRange(gte=0, lte=255))] = None,
    unannotated: str | None = None,
    overlaps: Literal["later", "schema"] = "later",
    tile_suffix: Suffix = "",
    label_suffix: Suffix = "",
    bright_to_class_0: int | None = None,
    source_mpp: float | None = None,
    base_mpp: float | None = None,
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
    part: str | None = None,
) -> None:
    """Turn tiles and label maps, or slides and their annotations, into shards for training.

    Tiles and label maps belong together if their names are equal but for type and suffix. Writes
    OUT/train, OUT/val and OUT/test, each with WebDataset tars and a dataset.json. OUT appears when
    all is done; if packing was cut short, the same command goes on where it stopped. How label maps
    may be stored, and what a schema says of them: docs/data.md.

    Two folders: histosyn pack tiles labels packed --schema prostate-3 --tile-size 256
    --groups patients.csv --val 0.2

    One folder with a_he.png and a_mask.png: histosyn pack data data packed --schema schema.toml
    --tile-suffix _he --label-suffix _mask

    One folder as QuPath exports it, a.jpg and a.png: histosyn pack export packed

    Slides and GeoJSON of the same names, as QuPath exports them (docs/slides.md): histosyn pack
    slides annotations packed --mpp 0.5 --tile-size 512 --val 0.2

    MATLAB pairs of the original: histosyn pack he ln packed --schema prostate-3
    --bright-to-class-0 220

    Numbered glands: histosyn pack tiles anno packed --label-suffix _anno --objects-are gland

    Parameters
    ----------
    tiles
        Folder of H&E tiles (png, jpg, tif, bmp, webp, gif; mat with a variable xx), or of slides
        (svs, ndpi, mrxs, scn, bif, tif, ...; needs the extra `slides`).
    labels
        Folder of label maps: class indices, or the schema's colours (mat with a variable rr); or of
        annotations (geojson). It may be left out if all lies in one folder.
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
    unlabelled
        The value of pixels without a label in label maps by index, such as 0: networks see no class
        there, and the classes begin at the next value.
    unannotated
        Of slides, the class of what no annotation covers. Default: "ignore", no class at all.
    overlaps
        Of slides: where annotations overlap, the later one counts, as QuPath draws them, or that
        whose class stands later in the schema.
    tile_suffix
        How the names of tiles end, before the type; the rest of the name makes the pair. It may
        be or include a type: .tif
    label_suffix
        How the names of label maps end: _mask, -labelled, .png
    bright_to_class_0
        The original's rule: pixels whose R, G and B all exceed this value (0..254) become class 0.
    source_mpp
        Microns per pixel of the files; of those without an entry, if the CSV has a column mpp. Of
        slides that do not say theirs.
    base_mpp
        Microns per pixel of the slides that QuPath exported tiles of: with the downsample in the
        names, `a [d=2,x=0,y=0,w=512,h=512].jpg`, that of each tile.
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
    part
        Make one part only, such as 3/16, while other processes, on other machines too, make the
        others; kept beside OUT. Then run the command without it: it makes what is missing, and
        writes OUT, the same bytes. `histosyn submit pack --parts 16` does all that.
    """
    from histosyn.labels.instances import NO_OBJECTS
    from histosyn.labels.label_map import load_schema
    from histosyn.packing.config import PackConfig
    from histosyn.packing.journal import require_absent
    from histosyn.slides.pairs import holds_slides
    from histosyn.sources.pairs import Naming
    from hpc.log import set_up_logging
    from hpc.topology import Topology

    set_up_logging(Topology())
    if processes is not None and processes < 1:
        raise ConfigError(f"--processes {processes} must be at least 1.")
    labels, out = _folders(tiles, labels, out)
    config = PackConfig(
        naming=Naming(tile_suffix=tile_suffix, label_suffix=label_suffix),
        bright_to_class_0=bright_to_class_0,
        objects_are=None if objects_are == NO_OBJECTS else objects_are,
        unlabelled=unlabelled,
        unannotated=unannotated,
        overlaps=overlaps,
        source_mpp=source_mpp,
        base_mpp=base_mpp,
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
    work = _Work(
        tiles=tiles,
        labels=labels,
        out=out,
        config=config,
        named=None if schema == _AUTO else load_schema(schema),
        processes=processes,
        part=None if part is None else parse_part(part),
    )
    if holds_slides(tiles, labels):
        _pack_slides(work)
    else:
        _pack_tiles(work, objects_none=objects_are == NO_OBJECTS)


@dataclass(frozen=True, kw_only=True)
class _Work:
    tiles: Path
    labels: Path
    out: Path
    config: PackConfig
    named: LabelSchema | None
    processes: int | None
    part: Part | None


def _folders(tiles: Path, labels: Path, out: Path | None) -> tuple[Path, Path]:
    """Label maps and OUT: of two folders, the first holds tiles and label maps."""
    if out is not None:
        return labels, out
    if labels.exists():
        raise InputError(
            f"Name OUT, the folder to make, as well. (Of two folders, {tiles} and {labels}, the "
            "second is to be made.)"
        )
    return tiles, labels


def _pack_tiles(work: _Work, *, objects_none: bool) -> None:
    from histosyn.packing.pack import pack as write_shards
    from histosyn.packing.pack import pack_part
    from histosyn.packing.schema_choice import settle_schema
    from hpc.log import track

    settled = settle_schema(
        work.tiles,
        work.labels,
        work.config,
        work.named,
        objects_none=objects_none,
        processes=work.processes,
        track=lambda looks, total: track(looks, total=total, what="label maps"),
    )
    _tell(settled, work)
    folders = work.tiles, work.labels, work.out
    if work.part is not None:
        made = pack_part(
            *folders,
            settled.schema,
            work.config,
            work.part,
            work.processes,
            _tracked("pack"),
            settled.proposal,
        )
        _say_part(work.part, made.made, made.present)
        return
    indexes = write_shards(
        *folders,
        settled.schema,
        work.config,
        work.processes,
        _tracked("pack"),
        settled.proposal,
    )
    _show(indexes, settled.schema, work)
    if len(indexes) > 1 and work.config.groups is None and _each_alone(indexes):
        console().print(Text(_NO_GROUPS, "yellow"))
    console().print(Text(summary(indexes, work.out, work.config.min_tissue)))


def _pack_slides(work: _Work) -> None:
    from histosyn.packing.pack_slides import (
        look_at_slides,
        pack_slides,
        pack_slides_part,
        settle_slide_schema,
    )
    from hpc.log import track

    folders = look_at_slides(
        work.tiles,
        work.labels,
        work.processes,
        lambda looks, total: track(looks, total=total, what="slides"),
    )
    for note in (note for item in folders.summaries for note in item.notes):
        console().print(Text(note, "yellow"))
    settled = settle_slide_schema(folders, work.config, work.named)
    _tell(settled, work)
    tracked = _tracked("pieces")
    if work.part is not None:
        packed = pack_slides_part(
            folders, work.out, settled, work.config, work.part, work.processes, tracked
        )
        _say_part(work.part, packed.made, packed.present)
    else:
        packed = pack_slides(folders, work.out, settled, work.config, work.processes, tracked)
        _show(packed.indexes, settled.schema, work)
        console().print(Text(summary(packed.indexes, work.out, work.config.min_tissue)))
    if packed.problems:
        raise PartialFailureError("\n".join([*packed.problems, _rest(work.part)]))


def _rest(part: Part | None) -> str:
    if part is not None:
        return f"The rest of part {part} is made."
    return (
        "The rest is packed. To have these, too, correct what is said, remove OUT and pack again."
    )


def _tell(settled: Settled, work: _Work) -> None:
    for sentence in settled.assumed:
        console().print(Text(sentence))
    if settled.proposal is not None:
        tell_schema(settled.proposal, work.out)


def _tracked(what: str) -> Callable[[Iterable[CutPair], int], Iterable[CutPair]]:
    from hpc.log import track

    return lambda cut, total: track(cut, total=total, what=what)


def _show(indexes: dict[str, DatasetIndex], schema: LabelSchema, work: _Work) -> None:
    from histosyn.packing.class_coverage import class_coverage_warnings
    from histosyn.packing.split_notes import split_notes

    screen = console()
    screen.print(parts_table(indexes))
    screen.print(classes_table(indexes, schema))
    for told in split_notes(indexes, work.config):
        screen.print(Text(told.text, "yellow" if told.warns else ""))
    for note in class_coverage_warnings(indexes):
        screen.print(Text(note, "yellow"))


def _each_alone(indexes: dict[str, DatasetIndex]) -> bool:
    """Whether each tile was a group of its own."""
    return all(len(index.table.groups()) == len(index) for index in indexes.values())


def _say_part(part: Part, made: int, present: int) -> None:
    say(
        f"Part {part}: {made} pieces made, {present} already there. When all parts are made, run "
        "the command without --part."
    )
