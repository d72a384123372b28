"""Where tiles to be measured come from: a folder of images, a folder of shards, or memory.

Another kind of source has a `name`, a `preparation`, a length, `batches` and `content`.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from eval.content import Content, content_of_folder, content_of_shards
from histosyn.images import IMAGE_SUFFIXES, find_images, read_tile
from histosyn.shards.dataset import index_folder, open_shards
from histosyn.shards.reader import ShardReader
from hpc.errors import DatasetError, InputError
from hpc.files import require_folder, sha256_of_bytes
from hpc.parallel import usable_cores

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

    def batches(self, size: int) -> Iterator[NDArray[np.uint8]]:
        """Yield tiles_NHWC, uint8 RGB, `size` at a time; the last batch may be smaller."""

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

    def batches(self, size: int) -> Iterator[NDArray[np.uint8]]:
        """Yield tiles_NHWC, `size` at a time."""
        for start in range(0, len(self), size):
            yield self.tiles_NHWC[start : start + size]

    def content(self) -> Content:
        """The shape and the pixels."""
        pixels = repr(self.tiles_NHWC.shape).encode() + self.tiles_NHWC.tobytes()
        return Content(sha256=sha256_of_bytes(pixels), covers="shape and pixels")


@dataclass(frozen=True, kw_only=True)
class TileFolder:
    """The images below `folder`, sub-folders included, hidden files left out, sorted by name.

    With `resize`, every tile is brought to resize × resize pixels by Pillow's bicubic filter; one
    that is not square is distorted, as it is by Inception's own resize. Raises InputError if the
    folder is missing, DatasetError if it holds no image, and while reading if a tile is damaged or
    differs in size from the first one.
    """

    folder: Path
    resize: int | None = None
    paths: tuple[Path, ...] = field(default=(), repr=False)
    """All that lie below the folder, if none are given."""

    def __post_init__(self) -> None:
        if self.paths:
            return
        paths = tuple(find_images(require_folder(self.folder, "folder of tiles")))
        if not paths:
            suffixes = " ".join(sorted(IMAGE_SUFFIXES))
            raise DatasetError(
                f"{self.folder} holds no image ({suffixes}), nor do its sub-folders. "
                "Check the path."
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

    def batches(self, size: int) -> Iterator[NDArray[np.uint8]]:
        """Yield tiles_NHWC, `size` at a time; the tiles of a batch are decoded in parallel."""
        read = partial(_read, resize=self.resize)
        first_shape: tuple[int, ...] | None = None
        with ThreadPoolExecutor(min(_MOST_READERS, usable_cores())) as readers:
            for start in range(0, len(self.paths), size):
                paths = self.paths[start : start + size]
                tiles = list(readers.map(read, paths))
                first_shape = first_shape or tiles[0].shape
                for path, tile in zip(paths, tiles, strict=True):
                    self._require_shape(path, tile.shape, first_shape)
                yield np.stack(tiles)

    def select(self, rows: range) -> TileFolder:
        """Some of the tiles, at least one."""
        return replace(self, paths=self.paths[rows.start : rows.stop])

    def content(self) -> Content:
        """Names and bytes of the files, and what a manifest of synthesis beside them tells."""
        return content_of_folder(self.folder, self.paths)

    def _require_shape(
        self, path: Path, shape: tuple[int, ...], first_shape: tuple[int, ...]
    ) -> None:
        if shape != first_shape:
            raise DatasetError(
                f"{path} is {shape[1]}x{shape[0]} pixels, but {self.paths[0]} is "
                f"{first_shape[1]}x{first_shape[0]}. Pass --resize N to bring all tiles to "
                "N x N pixels, or sort the sizes into folders."
            )


@dataclass(frozen=True, kw_only=True)
class TileShards:
    """The tiles of a packed data set, in the order of its shards; `resize` as for a TileFolder.

    Raises DatasetError if the folder is no packed data set, and while reading if a sample is
    damaged.
    """

    folder: Path
    resize: int | None = None
    rows: range | None = None
    """The samples to take. Default: all."""
    reader: ShardReader = field(init=False, repr=False)

    def __post_init__(self) -> None:
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

    def batches(self, size: int) -> Iterator[NDArray[np.uint8]]:
        """Yield tiles_NHWC, `size` at a time."""
        for start in range(0, len(self), size):
            rows = self._rows[start : start + size]
            tiles = (self.reader.read(*self.reader.index.place(row))[0] for row in rows)
            yield np.stack([_resized(tile_HWC, self.resize) for tile_HWC in tiles])

    def select(self, rows: range) -> TileShards:
        """Some of the tiles, at least one."""
        return replace(self, rows=self._rows[rows.start : rows.stop])

    def content(self) -> Content:
        """The data set's index."""
        return content_of_shards(self.folder)

    @property
    def _rows(self) -> range:
        return range(len(self.reader.index)) if self.rows is None else self.rows


def open_tiles(folder: Path, *, resize: int | None = None) -> TileFolder | TileShards:
    """The tiles of a packed data set if `folder` is one, otherwise the images below it."""
    kind = TileFolder if index_folder(folder) is None else TileShards
    return kind(folder=folder, resize=resize)


def _preparation(resize: int | None) -> str:
    return "none" if resize is None else f"bicubic resize to {resize}x{resize}"


def _read(path: Path, *, resize: int | None) -> NDArray[np.uint8]:
    return _resized(read_tile(path), resize)


def _resized(tile_HWC: NDArray[np.uint8], resize: int | None) -> NDArray[np.uint8]:
    if resize is None or tile_HWC.shape[:2] == (resize, resize):
        return tile_HWC
    resized = Image.fromarray(tile_HWC).resize((resize, resize), Image.Resampling.BICUBIC)
    return np.asarray(resized)
