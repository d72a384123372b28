"""Sources of tiles to be measured: a folder of images, a folder of shards, or memory.

Another kind of source has a `name`, a `preparation`, a length, `batches` and `content`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from eval.features.content import Content, content_of_folder, content_of_shards
from eval.features.tile_batches import OnBadTile, TileBatch, read_batches
from histosyn.images.folder import find_images
from histosyn.images.formats import FORMATS_TEXT
from histosyn.images.tiles import read_tile
from histosyn.shards.dataset import ensure_index, index_folder, open_shards
from histosyn.shards.foreign import foreign_shards
from histosyn.shards.reader import ShardReader
from histosyn.sources.tile_facts import match_facts, read_tile_facts
from hpc.errors import DatasetError, InputError
from hpc.files import require_folder, sha256_of_bytes
from hpc.parallel import usable_cores
from hpc.paths import AnyPath, as_path

_MOST_READERS = 8


class TileSource(Protocol):
    """Tiles of one size, always in the same order."""

    @property
    def name(self) -> str:
        """What a report calls the source."""

    @property
    def preparation(self) -> str:
        """What was done to the tiles after decoding, for the report."""

    def __len__(self) -> int:
        """Number of tiles."""

    def batches(self, size: int) -> Iterator[TileBatch]:
        """Yield the tiles, `size` at a time; the last batch may be smaller."""

    def content(self) -> Content:
        """What exactly the tiles are; it may read them all."""


@dataclass(frozen=True, kw_only=True, eq=False)
class TileArray:
    """Tiles in memory: `tiles_NHWC`, uint8 RGB."""

    name: str
    tiles_NHWC: NDArray[np.uint8]
    preparation: str = field(default="none", init=False)

    def __post_init__(self) -> None:
        shape, dtype = self.tiles_NHWC.shape, self.tiles_NHWC.dtype
        if len(shape) != 4 or shape[3] != 3 or dtype != np.uint8:
            raise InputError(f"{self.name}: tiles must be (N, H, W, 3) uint8, not {shape} {dtype}.")

    def __len__(self) -> int:
        return len(self.tiles_NHWC)

    def batches(self, size: int) -> Iterator[TileBatch]:
        """Yield the tiles, `size` at a time."""
        for start in range(0, len(self), size):
            yield TileBatch.of(self.tiles_NHWC[start : start + size], start)

    def content(self) -> Content:
        """The shape and the pixels."""
        pixels = repr(self.tiles_NHWC.shape).encode() + self.tiles_NHWC.tobytes()
        return Content(sha256=sha256_of_bytes(pixels), covers="shape and pixels")


@dataclass(frozen=True, kw_only=True)
class TileFolder:
    """The images below `folder`, sub-folders included, hidden files left out, sorted by name.

    With `resize`, every tile is brought to resize × resize pixels by Pillow's bicubic filter; one
    that is not square is distorted, as it is by Inception's own resize. Raises InputError if the
    folder is missing, DatasetError if it holds no image, and while reading if a tile differs in
    size from the first one or, unless `on_bad_tile` is to skip it, is damaged.
    """

    folder: Path
    resize: int | None = None
    on_bad_tile: OnBadTile = "error"
    paths: tuple[Path, ...] = field(default=(), repr=False)
    """All that lie below the folder, if none are given."""

    def __post_init__(self) -> None:
        if self.paths:
            return
        paths = tuple(find_images(require_folder(self.folder, "folder of tiles")))
        if not paths:
            raise DatasetError(
                f"{self.folder} holds no image ({FORMATS_TEXT}), nor do its sub-folders. "
                f"{_what_to_give_instead(self.folder)}"
            )
        object.__setattr__(self, "paths", paths)

    @property
    def name(self) -> str:
        """The folder as it was given."""
        return str(self.folder)

    @property
    def preparation(self) -> str:
        """The resize, if any."""
        return _preparation(self.resize)

    def __len__(self) -> int:
        return len(self.paths)

    def batches(self, size: int) -> Iterator[TileBatch]:
        """Yield the tiles, `size` at a time; those of a batch are decoded in parallel."""
        readers = min(_MOST_READERS, usable_cores())
        return read_batches(self, size, self.on_bad_tile, readers=readers)

    def read(self, row: int) -> NDArray[np.uint8]:
        """One tile (H, W, 3). Raises DatasetError if it is damaged."""
        return _resized(read_tile(self.paths[row]), self.resize)

    def tile_name(self, row: int) -> str:
        """The path of a tile below the folder."""
        return self.paths[row].relative_to(self.folder).as_posix()

    def place(self, row: int) -> str:
        """Where a tile lies, for messages."""
        return str(self.paths[row])

    def groups(self, names: Sequence[str], facts: Path, column: str) -> list[str]:
        """The group of each tile in `names`, as the CSV `facts` says; each must be in it."""
        keys = [str(Path(name).with_suffix("")) for name in names]
        found = match_facts(keys, read_tile_facts(facts, column), facts)
        for key in keys:
            if key not in found:
                raise DatasetError(f"{facts} says nothing of {key}. Add a line.")
        return [found[key].group for key in keys]

    def select(self, rows: range) -> TileFolder:
        """Some of the tiles, at least one."""
        return replace(self, paths=self.paths[rows.start : rows.stop])

    def content(self) -> Content:
        """Names and bytes of the files, and what a manifest of synthesis beside them tells."""
        return content_of_folder(self.folder, self.paths)


@dataclass(frozen=True, kw_only=True)
class TileShards:
    """The tiles of a packed data set, in the order of its shards; options as for a TileFolder.

    Raises DatasetError if the folder is no packed data set, and while reading if a sample is
    damaged.
    """

    folder: Path
    resize: int | None = None
    on_bad_tile: OnBadTile = "error"
    rows: range | None = None
    """The samples to take. Default: all."""
    reader: ShardReader = field(init=False, repr=False)

    def __post_init__(self) -> None:
        # What lies there and is not in the index is told.
        ensure_index(self.folder, leave_out_bad=self.on_bad_tile == "skip")
        object.__setattr__(self, "reader", open_shards(self.folder))

    @property
    def name(self) -> str:
        """The folder as it was given."""
        return str(self.folder)

    @property
    def preparation(self) -> str:
        """The resize, if any."""
        return _preparation(self.resize)

    def __len__(self) -> int:
        return len(self._rows)

    def batches(self, size: int) -> Iterator[TileBatch]:
        """Yield the tiles, `size` at a time; the next ones are read meanwhile."""
        return read_batches(self, size, self.on_bad_tile, readers=1)

    def read(self, row: int) -> NDArray[np.uint8]:
        """One tile (H, W, 3). Raises DatasetError if its sample is damaged."""
        tile_HWC, _ = self.reader.read(*self.reader.index.place(self._rows[row]))
        return _resized(tile_HWC, self.resize)

    def tile_name(self, row: int) -> str:
        """The key of a sample."""
        return self.reader.index.entry(*self.reader.index.place(self._rows[row])).key

    def place(self, row: int) -> str:
        """Where a tile lies, for messages."""
        shard, _ = self.reader.index.place(self._rows[row])
        return f"{self.folder / self.reader.index.shards[shard].name}, {self.tile_name(row)}"

    def groups(self, names: Sequence[str]) -> list[str] | None:
        """The group of each sample in `names`, as known from packing; None if one has none."""
        known = [group for name in names if (group := self._group_of[name]) is not None]
        return known if len(known) == len(names) else None

    def select(self, rows: range) -> TileShards:
        """Some of the tiles, at least one."""
        return replace(self, rows=self._rows[rows.start : rows.stop])

    def content(self) -> Content:
        """The data set's index."""
        return content_of_shards(self.folder)

    @property
    def _rows(self) -> range:
        return range(len(self.reader.index)) if self.rows is None else self.rows

    @cached_property
    def _group_of(self) -> Mapping[str, str | None]:
        index = self.reader.index
        entries = (index.entry(*index.place(row)) for row in self._rows)
        return {entry.key: entry.group for entry in entries}


StoredTiles = TileFolder | TileShards


def open_tiles(
    folder: AnyPath, *, resize: int | None = None, on_bad_tile: OnBadTile = "error"
) -> StoredTiles:
    """The tiles of a packed data set if `folder` is one, otherwise the images below it."""
    folder = as_path(folder, "tiles")
    kind = TileFolder if index_folder(folder) is None else TileShards
    return kind(folder=folder, resize=resize, on_bad_tile=on_bad_tile)


def _what_to_give_instead(folder: Path) -> str:
    """Advice about a folder without images, which may have to do with shards."""
    if foreign_shards(folder):
        return (
            "Its shards have no index: other tools made them, or packing was cut short. Index them "
            f"by `histosyn inspect {folder} --schema SCHEMA`, then measure again."
        )
    parts = sorted(part for part in folder.iterdir() if part.is_dir() and foreign_shards(part))
    if parts:
        return f"There are shards in {', '.join(map(str, parts))}: give such a folder."
    return "Check the path."


def _preparation(resize: int | None) -> str:
    return "none" if resize is None else f"bicubic resize to {resize}x{resize}"


def _resized(tile_HWC: NDArray[np.uint8], resize: int | None) -> NDArray[np.uint8]:
    if resize is None or tile_HWC.shape[:2] == (resize, resize):
        return tile_HWC
    resized = Image.fromarray(tile_HWC).resize((resize, resize), Image.Resampling.BICUBIC)
    return np.asarray(resized)
