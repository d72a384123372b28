"""Tiles as readers see them: one size, one encoding, one number of bytes, nothing but pixels."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from eval.file_history.traces import traces_of
from eval.study.candidates import Candidate
from histosyn.images.tiles import read_tile
from hpc.errors import DatasetError, InputError
from hpc.files import sha256_of_bytes
from hpc.progress import ProgressLog

JPEG, PNG = "image/jpeg", "image/png"
_WORST, _BEST = 50, 100


@dataclass(frozen=True, kw_only=True, eq=False)
class Picture:
    """A tile as encoded; `encoded_bytes` before it was made as long as the others.

    `traces` (7,) are what files have left in the tile (`eval.file_history`), before it was encoded.
    """

    tile: Candidate
    data: bytes
    encoded_bytes: int
    traces: NDArray[np.float64]

    @property
    def sha256(self) -> str:
        """Of what the reader's file holds."""
        return sha256_of_bytes(self.data)

    def pixels(self) -> NDArray[np.uint8]:
        """What a reader sees, (H, W, 3)."""
        return read_tile(self.data, self.tile.name, intact=True)


def media_type(quality: int | None) -> str:
    """PNG without a quality."""
    return PNG if quality is None else JPEG


def pictures_of(tiles: Sequence[Candidate], size: int | None, quality: int | None) -> list[Picture]:
    """The tiles, cut to the `size` pixels in their middle, as JPEG of one `quality` or as PNG.

    Nothing is resampled: that would take sharpness from one arm alone. Zeros behind the end of the
    image, which decoders pass over, give all files one length. Raises InputError for tiles of
    several sizes, DatasetError for one that is smaller than `size` or cannot be read.
    """
    if quality is not None and not _WORST <= quality <= _BEST:
        raise InputError(f"A JPEG quality of {quality} is not between {_WORST} and {_BEST}.")
    made = [(_encoded(one, quality), traces_of(one)) for one in _cut(tiles, size)]
    longest = max((len(data) for data, _ in made), default=0)
    return [
        Picture(tile=tile, data=data.ljust(longest, b"\0"), encoded_bytes=len(data), traces=traces)
        for tile, (data, traces) in zip(tiles, made, strict=True)
    ]


def _cut(tiles: Sequence[Candidate], size: int | None) -> Iterator[NDArray[np.uint8]]:
    first: tuple[Candidate, tuple[int, ...]] | None = None
    progress = ProgressLog("pictures", total=len(tiles))
    for number, tile in enumerate(tiles):
        tile_HWC = tile.read()
        shape = tile_HWC.shape[:2]
        if size is not None:
            tile_HWC = _middle(tile_HWC, size, tile)
        elif first is not None and first[1] != shape:
            raise InputError(
                f"Images of two sizes: {_said(*first)} and {_said(tile, shape)}. Readers would see "
                f"that. Give --size {min(*first[1], *shape)} to cut that many pixels out of the "
                "middle of each."
            )
        first = first or (tile, shape)
        yield tile_HWC
        progress.update(number + 1)


def _middle(tile_HWC: NDArray[np.uint8], size: int, tile: Candidate) -> NDArray[np.uint8]:
    height, width = tile_HWC.shape[:2]
    if min(height, width) < size:
        raise DatasetError(
            f"{_said(tile, (height, width))}, less than --size {size}. Give a smaller one, or "
            "leave the tile out."
        )
    top, left = (height - size) // 2, (width - size) // 2
    return tile_HWC[top : top + size, left : left + size]


def _said(tile: Candidate, shape: tuple[int, ...]) -> str:
    return f"{tile.name} ({tile.arm}) has {shape[1]}x{shape[0]} pixels"


def _encoded(tile_HWC: NDArray[np.uint8], quality: int | None) -> bytes:
    # Without the mark of synthetic images, which would tell readers what they are asked.
    buffer, image = io.BytesIO(), Image.fromarray(np.ascontiguousarray(tile_HWC))
    if quality is None:
        image.save(buffer, format="PNG", compress_level=6)
    else:
        image.save(buffer, format="JPEG", quality=quality, subsampling=0)
    return buffer.getvalue()
