"""Tiles with their stains, and where label maps are given, the stains of each class."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from eval.features.content import Content
from eval.features.tile_batches import BadTilesError, OnBadTile
from eval.features.tile_sources import StoredTiles, TileShards
from eval.segmenter.labelled_tiles import LabelledTiles
from eval.stain.deconvolution import STAINS, Floats, class_means, tile_statistics
from eval.two_samples.folds import label_key
from histosyn.labels.label_map import LabelSchema
from hpc.errors import DatasetError, LabelError

Show = Callable[[range, str], Iterable[int]]


class Stained(Protocol):
    """Tiles in rows, with label maps or without."""

    name: str
    schema: LabelSchema | None
    bad: tuple[str, ...]

    def __len__(self) -> int:
        """Number of rows."""

    def read(self, row: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None]:
        """Tile (H, W, 3) and label map (H, W); DatasetError or LabelError if unusable."""

    def key(self, row: int) -> str:
        """What a tile and those of the same label map have in common."""

    def group(self, row: int) -> str | None:
        """The patient or slide, where known."""

    def content(self) -> dict[str, Content]:
        """What exactly the tiles are."""


class PlainTiles:
    """Tiles without label maps; a folder knows its patients by a CSV, shards know them anyway."""

    schema: LabelSchema | None = None
    bad: tuple[str, ...] = ()

    def __init__(self, tiles: StoredTiles, groups: Path | None, column: str) -> None:
        self._tiles = tiles
        self.name = tiles.name
        names = [tiles.tile_name(row) for row in range(len(tiles))]
        self._keys = [label_key(name) for name in names]
        if isinstance(tiles, TileShards):
            known = tiles.groups(names)
        else:
            known = None if groups is None else tiles.groups(names, groups, column)
        self._groups: list[str | None] = [None] * len(names) if known is None else list(known)

    def __len__(self) -> int:
        return len(self._tiles)

    def read(self, row: int) -> tuple[NDArray[np.uint8], None]:
        """The tile."""
        return self._tiles.read(row), None

    def key(self, row: int) -> str:
        """Its name without number of the variant."""
        return self._keys[row]

    def group(self, row: int) -> str | None:
        """As CSV or shards say."""
        return self._groups[row]

    def content(self) -> dict[str, Content]:
        """Of the tiles alone."""
        return {"tiles": self._tiles.content()}


class TilesWithLabels:
    """Tiles whose label maps are known."""

    def __init__(self, tiles: LabelledTiles) -> None:
        self._tiles = tiles
        self.name, self.bad = tiles.name, tiles.bad
        self.schema: LabelSchema | None = tiles.schema

    def __len__(self) -> int:
        return len(self._tiles)

    def read(self, row: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Tile and label map."""
        return self._tiles.read(row)

    def key(self, row: int) -> str:
        """The label map's key."""
        return label_key(self._tiles.label_key(row))

    def group(self, row: int) -> str | None:
        """The label map's patient."""
        return self._tiles.group(row)

    def content(self) -> dict[str, Content]:
        """Of tiles and label maps."""
        return self._tiles.content()


@dataclass(frozen=True, kw_only=True, eq=False)
class Side:
    """Statistics (N, 6) of the tiles, means (N, K, 3) of their classes, whose they are."""

    name: str
    statistics_N6: Floats
    classes_NK3: Floats
    keys: list[str]
    groups: list[str | None]
    sizes: set[tuple[int, int]]
    bad: tuple[str, ...]
    content: dict[str, Content]

    def facts(self) -> dict[str, Any]:
        """For the provenance."""
        height, width = min(self.sizes)
        return {
            "name": self.name,
            "n": len(self.keys),
            "tile_size": (height, width) if len(self.sizes) == 1 else None,
            "preparation": "none",
            "content": {what: asdict(content) for what, content in self.content.items()},
            "bad_tiles": list(self.bad),
        }


def measured(tiles: Stained, on_bad_tile: OnBadTile, show: Show, what: str) -> Side:
    """The stains of all tiles. Raises BadTilesError for damaged ones unless they are to be skipped,
    DatasetError if none is left.
    """
    bad, rows, statistics, classes, sizes = list(tiles.bad), [], [], [], set()
    count = 0 if tiles.schema is None else len(tiles.schema)
    for row in show(range(len(tiles)), what):
        try:
            tile_HWC, labels_HW = tiles.read(row)
        except (DatasetError, LabelError) as error:
            bad.append(str(error))
            continue
        rows.append(row)
        sizes.add(tile_HWC.shape[:2])
        statistics.append(tile_statistics(tile_HWC))
        none = np.empty((0, len(STAINS)))
        classes.append(none if labels_HW is None else class_means(tile_HWC, labels_HW, count))
    if bad and on_bad_tile == "error":
        raise BadTilesError(bad, len(tiles))
    if not rows:
        raise DatasetError(f"{tiles.name} has no tile that can be measured: {bad[0]}")
    return Side(
        name=tiles.name,
        statistics_N6=np.stack(statistics),
        classes_NK3=np.stack(classes),
        keys=[tiles.key(row) for row in rows],
        groups=[tiles.group(row) for row in rows],
        sizes=sizes,
        bad=tuple(bad),
        content=tiles.content(),
    )
