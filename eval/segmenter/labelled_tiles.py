"""Tiles with their label maps, drawn by annotators or given to the generator: test sets."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from eval.features.content import Content, content_of_file, content_of_folder, content_of_shards
from histosyn.images.tiles import read_tile
from histosyn.labels.instances import warn_of_objects
from histosyn.labels.label_map import LabelSchema, read_label_map
from histosyn.shards.dataset import ensure_index, index_folder, open_shards
from histosyn.shards.reader import ShardReader
from histosyn.sources.pairs import images_by_key
from histosyn.sources.tile_facts import match_facts, read_tile_facts
from hpc.errors import DatasetError
from hpc.paths import AnyPath, as_path

# What `histosyn synth --variants` adds to a name, and what tar gives to a label map of a shard.
_VARIANT = re.compile(r"\.v\d+$")
_FROM_SHARD = ".label"


class LabelledTiles(Protocol):
    """A data set of (tile, label map) pairs. `bad` are files without a partner, a sentence each."""

    bad: tuple[str, ...]

    @property
    def name(self) -> str:
        """What a report calls the source."""

    @property
    def schema(self) -> LabelSchema:
        """What the labels mean."""

    def __len__(self) -> int:
        """Number of rows."""

    def read(self, row: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Tile (H, W, 3) and label map (H, W); DatasetError or LabelError if one is unusable."""

    def label_key(self, row: int) -> str:
        """Which label map it is; variants made from one share it."""

    def group(self, row: int) -> str | None:
        """The patient or slide, where known."""

    def content(self) -> dict[str, Content]:
        """What exactly tiles and label maps are."""


class ShardTiles:
    """The samples of a packed data set. Raises DatasetError if the folder is none."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        ensure_index(folder)
        self.reader: ShardReader = open_shards(folder)
        self.schema = self.reader.index.schema
        self.bad: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The folder as it was given."""
        return str(self.folder)

    def __len__(self) -> int:
        return len(self.reader.index)

    def read(self, row: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Tile and label map of a sample; raises SampleError if it is damaged."""
        return self.reader.read(*self.reader.index.place(row))

    def label_key(self, row: int) -> str:
        """The sample's key."""
        return self.reader.index.entry(*self.reader.index.place(row)).key

    def group(self, row: int) -> str | None:
        """The sample's group, as known from packing."""
        return self.reader.index.entry(*self.reader.index.place(row)).group

    def content(self) -> dict[str, Content]:
        """The data set's index."""
        return {"tiles": content_of_shards(self.folder)}


class Labels(Protocol):
    """Label maps by key: a folder of them, or those of shards."""

    folder: Path
    schema: LabelSchema

    def names(self) -> list[str]:
        """All keys."""

    def read(self, key: str) -> NDArray[np.uint8]:
        """A label map (H, W) of class indices."""

    def group(self, key: str) -> str | None:
        """The patient or slide, where known."""

    def content(self) -> dict[str, Content]:
        """What exactly they, and what says their groups, are."""


class FolderLabels:
    """The label maps below a folder; groups as the CSV `groups` says, each in its `column`."""

    def __init__(
        self, folder: Path, schema: LabelSchema, groups: Path | None, column: str = "patient"
    ) -> None:
        self.folder = folder
        self.schema = schema
        self._paths = images_by_key(folder, "folder of label maps")
        warn_of_objects(list(self._paths.values()), schema)
        self._csv = groups
        self._groups: dict[str, str] = {}
        if groups is not None:
            facts = match_facts(list(self._paths), read_tile_facts(groups, column), groups)
            self._groups = {key: found.group for key, found in facts.items()}
            if missing := [key for key in self._paths if key not in facts]:
                raise DatasetError(f"{groups} says nothing of {missing[0]}. Add a line.")

    def names(self) -> list[str]:
        """Paths below the folder, without type."""
        return list(self._paths)

    def read(self, key: str) -> NDArray[np.uint8]:
        """A label map, as the schema reads it."""
        return read_label_map(self._paths[key], self.schema)

    def group(self, key: str) -> str | None:
        """As the CSV says."""
        return self._groups.get(key)

    def content(self) -> dict[str, Content]:
        """Names and bytes of the files, and those of the CSV."""
        found = {"labels": content_of_folder(self.folder, list(self._paths.values()))}
        return found if self._csv is None else found | {"groups": content_of_file(self._csv)}


class ShardLabels:
    """The label maps of a packed data set, with its groups."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._tiles = ShardTiles(folder)
        self.schema = self._tiles.schema
        self._rows = {self._tiles.label_key(row): row for row in range(len(self._tiles))}

    def names(self) -> list[str]:
        """Keys of the samples."""
        return list(self._rows)

    def read(self, key: str) -> NDArray[np.uint8]:
        """The label map of a sample."""
        reader = self._tiles.reader
        return reader.labels(*reader.index.place(self._rows[key]))

    def group(self, key: str) -> str | None:
        """The sample's group."""
        return self._tiles.group(self._rows[key])

    def content(self) -> dict[str, Content]:
        """The data set's index."""
        return {"labels": content_of_shards(self.folder)}


@dataclass(frozen=True, kw_only=True)
class _Made:
    """A synthetic tile and the key of the label map it was made from."""

    path: Path
    key: str


class SyntheticTiles:
    """Tiles that `histosyn synth` (or another tool) made of label maps, matched by name.

    `NAME.png` and its variants `NAME.v1.png`, ... belong to the label map NAME; if LABELS are
    shards, `KEY.label.png` belongs to the sample KEY. What has no partner is in `bad`. Raises
    DatasetError if nothing fits.
    """

    def __init__(self, folder: Path, labels: Labels) -> None:
        self.folder = folder
        self.labels = labels
        self.schema = labels.schema
        known = set(labels.names())
        self._tiles: list[_Made] = []
        lonely: list[str] = []
        for name, path in images_by_key(folder, "folder of synthetic tiles").items():
            key = _label_of(name, known)
            if key is None:
                lonely.append(f"{path} has no label map in {labels.folder}.")
            else:
                self._tiles.append(_Made(path=path, key=key))
        used = {tile.key for tile in self._tiles}
        if not used:
            raise DatasetError(
                f"No tile of {folder} is named like a label map of {labels.folder}, such as "
                f"{min(known)}. Give the label maps that the tiles were made from."
            )
        unused = [key for key in labels.names() if key not in used]
        lonely += [f"Label map {key} of {labels.folder} has no tile in {folder}." for key in unused]
        self.bad = tuple(lonely)

    @property
    def name(self) -> str:
        """The folder as it was given."""
        return str(self.folder)

    def __len__(self) -> int:
        return len(self._tiles)

    def read(self, row: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Tile and label map. Raises DatasetError or LabelError if one is unusable."""
        tile = self._tiles[row]
        tile_HWC, labels_HW = read_tile(tile.path), self.labels.read(tile.key)
        if tile_HWC.shape[:2] != labels_HW.shape:
            (height, width), (rows, columns) = tile_HWC.shape[:2], labels_HW.shape
            raise DatasetError(
                f"{tile.path} is {width}x{height} pixels, but its label map {tile.key} is "
                f"{columns}x{rows}. Make it again from this label map."
            )
        return tile_HWC, labels_HW

    def label_key(self, row: int) -> str:
        """The label map that the tile was made from."""
        return self._tiles[row].key

    def group(self, row: int) -> str | None:
        """The group of that label map."""
        return self.labels.group(self._tiles[row].key)

    def content(self) -> dict[str, Content]:
        """Files of both folders, and what the manifest of synthesis tells."""
        paths = [tile.path for tile in self._tiles]
        return {
            "tiles": content_of_folder(self.folder, paths),
            **self.labels.content(),
        }


def open_labels(folder: AnyPath, schema: LabelSchema, groups: Path | None, column: str) -> Labels:
    """Label maps of shards if `folder` is a packed data set, otherwise the files below it."""
    folder = as_path(folder, "folder of label maps")
    if index_folder(folder) is None:
        return FolderLabels(folder, schema, groups, column)
    return ShardLabels(folder)


def _label_of(name: str, known: set[str]) -> str | None:
    return next((candidate for candidate in _candidates(name) if candidate in known), None)


def _candidates(name: str) -> Iterator[str]:
    yield name
    bare = _VARIANT.sub("", name)
    yield bare
    yield bare.removesuffix(_FROM_SHARD)
