"""Batches of tiles: prefetched in threads, of one size, bad tiles refused or skipped.

A bad tile is by default an error, told once all other tiles have been looked at, so that one run
names all of them. Or it is skipped, and named in the result.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from hpc.errors import DatasetError

OnBadTile = Literal["error", "skip"]

# Batches that are read while the network works on one.
_AHEAD = 1


@dataclass(frozen=True, kw_only=True, eq=False)
class TileBatch:
    """`tiles_NHWC`, uint8 RGB, with the row of each in its source and its name.

    `bad` are the messages about tiles that were to be in this batch; it may have no tile at all.
    """

    tiles_NHWC: NDArray[np.uint8]
    rows: tuple[int, ...]
    names: tuple[str, ...]
    bad: tuple[str, ...] = ()

    @classmethod
    def of(cls, tiles_NHWC: NDArray[np.uint8], start: int) -> TileBatch:
        """Tiles that have no names but their numbers from `start`."""
        rows = tuple(range(start, start + len(tiles_NHWC)))
        return cls(tiles_NHWC=tiles_NHWC, rows=rows, names=tuple(f"tile {row}" for row in rows))


class BadTilesError(DatasetError):
    """Of `total` tiles those that the messages `bad` are about cannot be measured."""

    def __init__(self, bad: Sequence[str], total: int) -> None:
        count = "One" if len(bad) == 1 else f"{len(bad)}"
        super().__init__(
            "\n".join(bad)
            + f"\n{count} of {total} tiles cannot be measured. Replace them, or measure the others "
            "with --on-bad-tile skip."
        )
        self.bad = tuple(bad)
        self.total = total

    def __reduce__(self) -> tuple[object, ...]:
        """Ranks send it to each other."""
        return type(self), (self.bad, self.total)


class Readable(Protocol):
    """Tiles that lie in rows."""

    def __len__(self) -> int:
        """Number of rows."""

    def read(self, row: int) -> NDArray[np.uint8]:
        """One tile (H, W, 3); raises DatasetError if it is damaged."""

    def tile_name(self, row: int) -> str:
        """What a report calls the tile."""

    def place(self, row: int) -> str:
        """Where the tile lies, for messages."""


_Outcome = NDArray[np.uint8] | DatasetError


def read_batches(
    source: Readable, size: int, on_bad_tile: OnBadTile, *, readers: int
) -> Iterator[TileBatch]:
    """Yield the tiles of `source`, `size` at a time, decoded by `readers` threads.

    Raises DatasetError for a tile of another size than the first one, and for bad tiles unless they
    are to be skipped.
    """
    first: tuple[int, tuple[int, ...]] | None = None
    outcomes = _outcomes(source, size, readers)
    for rows, batch in outcomes:
        bad = [str(outcome) for outcome in batch if isinstance(outcome, DatasetError)]
        if bad and on_bad_tile == "error":
            rest = (outcome for _, more in outcomes for outcome in more)
            bad += [str(outcome) for outcome in rest if isinstance(outcome, DatasetError)]
            raise BadTilesError(bad, len(source))
        good = {
            row: outcome
            for row, outcome in zip(rows, batch, strict=True)
            if not isinstance(outcome, DatasetError)
        }
        for row, tile_HWC in good.items():
            first = first or (row, tile_HWC.shape)
            _require_shape(source, row, tile_HWC.shape, *first)
        yield TileBatch(
            tiles_NHWC=np.stack(list(good.values())) if good else np.empty((0, 1, 1, 3), np.uint8),
            rows=tuple(good),
            names=tuple(map(source.tile_name, good)),
            bad=tuple(bad),
        )


def _outcomes(
    source: Readable, size: int, readers: int
) -> Iterator[tuple[range, Sequence[_Outcome]]]:
    def read(row: int) -> _Outcome:
        try:
            return source.read(row)
        except DatasetError as error:
            return error

    with ThreadPoolExecutor(readers) as pool:
        under_way: deque[tuple[range, Iterator[_Outcome]]] = deque()
        try:
            for start in range(0, len(source), size):
                rows = range(start, min(start + size, len(source)))
                under_way.append((rows, pool.map(read, rows)))
                if len(under_way) > _AHEAD:
                    before, outcomes = under_way.popleft()
                    yield before, list(outcomes)
            for rows, outcomes in under_way:
                yield rows, list(outcomes)
        finally:
            # Nobody wants the rest, after an error or an interruption.
            pool.shutdown(wait=False, cancel_futures=True)


def _require_shape(
    source: Readable,
    row: int,
    shape: tuple[int, ...],
    first_row: int,
    first_shape: tuple[int, ...],
) -> None:
    if shape != first_shape:
        raise DatasetError(
            f"{source.place(row)} is {shape[1]}x{shape[0]} pixels, but {source.place(first_row)} "
            f"is {first_shape[1]}x{first_shape[0]}. Pass --resize N to bring all tiles to N x N "
            "pixels, or sort the sizes into folders."
        )
