"""What is in a packed data set: facts, classes, a page of samples, and what is wrong with it."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from histosyn.images.contact_sheet import Color, LegendItem, Picture, Section, picture
from histosyn.labels.label_map import colorize
from histosyn.shards.dataset import ensure_index, open_shards
from histosyn.shards.foreign import foreign_shards
from histosyn.shards.index import INDEX_NAME, DatasetIndex, LeftOut
from histosyn.shards.reader import ShardReader
from histosyn.shards.unread_files import unread_files
from histosyn.shards.verification import Fault, Track, misfits, verify
from histosyn.sources.tile_facts import PARTS
from hpc.errors import DatasetError
from hpc.paths import AnyPath, as_path
from hpc.randomness import distinct_integers, key_of


@dataclass(frozen=True, kw_only=True)
class ClassRow:
    """How much of a part a class is; shares in [0, 1] are of all its pixels and all its tiles.

    The last row may be that of the ignored pixels, whose tiles nobody has counted.
    """

    index: int
    name: str
    color: Color
    pixels: int
    pixel_share: float
    tiles: int | None
    tile_share: float | None


@dataclass(frozen=True, kw_only=True)
class Part:
    """A folder of shards: the training part of a data set, for instance."""

    name: str
    folder: Path
    reader: ShardReader

    @property
    def index(self) -> DatasetIndex:
        """What it holds."""
        return self.reader.index

    @cached_property
    def groups(self) -> frozenset[str]:
        """The patients, slides or the like that its tiles come from, as far as known."""
        return frozenset(self.index.table.groups())

    @property
    def tiles_without_group(self) -> int:
        """Tiles of which nobody knows the group."""
        return int(np.count_nonzero(self.index.table.rows["group"] == b""))

    @property
    def size_bytes(self) -> int:
        """Bytes of all shards."""
        return sum(shard.size_bytes for shard in self.index.shards)

    @property
    def classes(self) -> tuple[ClassRow, ...]:
        """The histogram, in the order of the schema."""
        schema, tiles = self.index.schema, len(self.index)
        pixels = list(self.index.class_pixels)
        ignored = 0
        if schema.ignore is not None:
            height, width = self.index.tile_size
            ignored = max(tiles * height * width - sum(pixels), 0)
        total = max(sum(pixels) + ignored, 1)
        rows = [
            ClassRow(
                index=number,
                name=item.name,
                color=item.rgb,
                pixels=pixels[number],
                pixel_share=pixels[number] / total,
                tiles=self.index.class_samples[number],
                tile_share=self.index.class_samples[number] / tiles,
            )
            for number, item in enumerate(schema.classes)
        ]
        if ignored and schema.ignore is not None:
            row = ClassRow(
                index=schema.ignore,
                name="(ignored)",
                color=tuple(schema.file_palette[schema.ignore].tolist()),
                pixels=ignored,
                pixel_share=ignored / total,
                tiles=None,
                tile_share=None,
            )
            rows.append(row)
        return tuple(rows)


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """What was seen: `faults` by the name of the part, `straddling` names the parts of a group.

    `verified` says whether everything was read, or only what the page shows.
    """

    parts: tuple[Part, ...]
    sections: tuple[Section, ...]
    faults: dict[str, tuple[Fault, ...]]
    straddling: dict[str, tuple[str, ...]]
    verified: bool

    @property
    def lost(self) -> tuple[LeftOut, ...]:
        """What no index could take in: damage, and if all is verified whatever was left out."""
        left_out = (item for part in self.parts for item in part.index.left_out)
        return tuple(item for item in left_out if self.verified or item.damaged)

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "verified": self.verified,
            "parts": [_part_as_json(part) for part in self.parts],
            "straddling_groups": [
                {"group": group, "parts": parts} for group, parts in self.straddling.items()
            ],
            "faults": [
                {"part": name} | asdict(fault)
                for name, faults in self.faults.items()
                for fault in faults
            ],
            "shown": {
                section.title: [picture.key for picture in section.pictures]
                for section in self.sections
            },
        }


def inspect_shards(
    shards: AnyPath,
    *,
    schema: str | None = None,
    samples: int = 24,
    seed: int = 0,
    thorough: bool = False,
    track: Track = lambda shards, total: shards,
) -> Inspection:
    """Look at a folder of shards, or at all parts of what `histosyn pack` wrote.

    Of each part `samples` are read for the page, chosen by `seed`; if `thorough`, everything is
    read and compared with the index. Shards of other tools are indexed first, for which the
    `schema` is needed. Raises InputError or DatasetError if there is nothing to look at.
    """
    shards = as_path(shards, "shards")
    parts = open_parts(shards, schema)
    sections: list[Section] = []
    faults: dict[str, tuple[Fault, ...]] = {}
    for part in parts:
        pictures, bad = _pictures(part, samples, seed)
        sections.append(_section(part, pictures))
        faults[part.name] = verify(part.reader, track) if thorough else _found(part, bad)
    return Inspection(
        parts=parts,
        sections=tuple(sections),
        faults=faults,
        straddling=straddling_groups(parts),
        verified=thorough,
    )


def open_parts(shards: Path, schema: str | None = None) -> tuple[Part, ...]:
    """A folder of shards as it is; of a folder without any, its parts train, val and test."""
    names = [name for name in PARTS if _holds_shards(shards / name) or _unread(shards / name)]
    if _holds_shards(shards) or not names:
        return (_open_part(shards.resolve().name, shards, schema),)
    return tuple(_open_part(name, shards / name, schema) for name in names)


def _open_part(name: str, folder: Path, schema: str | None) -> Part:
    ensure_index(folder, schema, leave_out_bad=True)
    reader = open_shards(folder, accept_left_out=True)
    # Opened on first use, it would be an error for each sample.
    _ = reader.index.table.rows
    return Part(name=name, folder=folder, reader=reader)


def straddling_groups(parts: Sequence[Part]) -> dict[str, tuple[str, ...]]:
    """The groups of which several parts have tiles, and which parts these are."""
    places: defaultdict[str, list[str]] = defaultdict(list)
    for part in parts:
        for group in part.groups:
            places[group].append(part.name)
    return {group: tuple(names) for group, names in sorted(places.items()) if len(names) > 1}


def _holds_shards(folder: Path) -> bool:
    return (folder / INDEX_NAME).is_file() or bool(foreign_shards(folder))


def _unread(folder: Path) -> bool:
    """Whether there are files that look like shards, of which something is to be said."""
    return folder.is_dir() and bool(unread_files(folder))


def _pictures(part: Part, count: int, seed: int) -> tuple[tuple[Picture, ...], tuple[Fault, ...]]:
    """Some samples in the order of the shards; those that cannot be read are faults."""
    index = part.index
    pictures, faults = [], []
    for row in sorted(distinct_integers(key_of(seed, "contact sheet"), count, len(index))):
        shard, sample = index.place(row)
        key = index.entry(shard, sample).key
        try:
            tile, labels = part.reader.read(shard, sample)
            pictures.append(picture(key, tile, colorize(labels, index.schema)))
        except DatasetError as error:
            cause = getattr(error, "cause", None) or str(error)
            pictures.append(Picture(key=key, thumbnails=None))
            faults.append(Fault(shard=index.shards[shard].name, key=key, cause=cause))
    return tuple(pictures), tuple(faults)


def _found(part: Part, bad: tuple[Fault, ...]) -> tuple[Fault, ...]:
    """What can be known without reading more; a shard that is lost explains its samples."""
    lost = misfits(part.reader)
    names = {fault.shard for fault in lost}
    return lost + tuple(fault for fault in bad if fault.shard not in names)


def _section(part: Part, pictures: tuple[Picture, ...]) -> Section:
    height, width = part.index.tile_size
    facts = [f"{len(part.index):,} samples of {width}x{height} pixels"]
    if part.index.mpp is not None:
        facts.append(f"{part.index.mpp:g} microns per pixel")
    if part.groups:
        facts.append(f"{len(part.groups):,} group{'s' if len(part.groups) > 1 else ''}")
    return Section(
        title=part.name,
        facts=", ".join(facts),
        legend=tuple(
            LegendItem(text=f"{row.name} {row.pixel_share:.1%}", color=row.color)
            for row in part.classes
        ),
        pictures=pictures,
        tile_size=part.index.tile_size,
    )


def _part_as_json(part: Part) -> dict[str, Any]:
    index = part.index
    return {
        "name": part.name,
        "folder": str(part.folder),
        "samples": len(index),
        "shards": len(index.shards),
        "size_bytes": part.size_bytes,
        "tile_size": index.tile_size,
        "mpp": index.mpp,
        "groups": sorted(part.groups),
        "tiles_without_group": part.tiles_without_group,
        "label_values": index.label_values,
        "schema": index.schema.as_dict(),
        "classes": [asdict(row) for row in part.classes],
        "left_out": [asdict(item) for item in index.left_out],
        # It may come from anywhere, and with NaN it would be no JSON.
        "made_by": _with_finite_numbers(index.made_by),
    }


def _with_finite_numbers(node: Any) -> Any:
    """Plain data with others as texts."""
    if isinstance(node, dict):
        return {key: _with_finite_numbers(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_with_finite_numbers(value) for value in node]
    return json.dumps(node) if isinstance(node, float) and not math.isfinite(node) else node
