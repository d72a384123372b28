"""The nearest training tile of a tile, under the eight symmetries of the square."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SYMMETRIES = 8
# So many distances are computed at a time (128 MiB).
_CELLS = 1 << 25


@dataclass(frozen=True, kw_only=True, eq=False)
class Nearest:
    """Of each of N tiles the distance to the nearest training tile, which, and how it is turned."""

    distance_N: Floats
    row_N: NDArray[np.int64]
    turn_N: NDArray[np.int64]


def turned(tile_HWC: NDArray[np.uint8], number: int) -> NDArray[np.uint8]:
    """One of the eight symmetries of a square: quarter turns 0 to 3, then those of its mirror."""
    mirrored = tile_HWC[:, ::-1] if number >= SYMMETRIES // 2 else tile_HWC
    return np.ascontiguousarray(np.rot90(mirrored, number % (SYMMETRIES // 2)))


def symmetries_of(tile_HWC: NDArray[np.uint8]) -> tuple[int, ...]:
    """Those that leave the shape as it is: all eight of a square, else four."""
    height, width = tile_HWC.shape[:2]
    return tuple(
        number for number in range(SYMMETRIES) if height == width or number % 2 == 0
    )  # fmt: skip


def nearest(
    queries_NSD: NDArray[np.floating],
    training_MD: NDArray[np.floating],
    advance: Callable[[int], None] = lambda done: None,
) -> Nearest:
    """Root mean square distances; of each query the nearest of its S turns.

    `advance` is told how many queries are done.
    """
    count, turns, width = queries_NSD.shape
    lengths_M = np.einsum("md,md->m", training_MD, training_MD, dtype=np.float64)
    found = np.empty((3, count))
    for rows in _blocks(count, turns * len(training_MD)):
        flat = queries_NSD[rows].reshape(-1, width)
        # Without the query's own length, which is the same for all of its neighbours.
        score = lengths_M - 2.0 * (flat @ training_MD.T)
        own = np.einsum("qd,qd->q", flat, flat, dtype=np.float64)
        best_Q = score.argmin(axis=1)
        squares_NS = (own + score[np.arange(len(flat)), best_Q]).reshape(-1, turns)
        turn_N = squares_NS.argmin(axis=1)
        row_N = best_Q.reshape(-1, turns)[np.arange(len(turn_N)), turn_N]
        # Once more: of nearly equal tiles the sum above leaves nothing but rounding.
        chosen = queries_NSD[rows][np.arange(len(turn_N)), turn_N].astype(np.float64)
        exact = np.sqrt(((chosen - training_MD[row_N]) ** 2).mean(axis=1))
        found[:, rows] = exact, row_N, turn_N
        advance(len(turn_N))
    return Nearest(
        distance_N=found[0], row_N=found[1].astype(np.int64), turn_N=found[2].astype(np.int64)
    )


def _blocks(count: int, columns: int) -> Iterator[slice]:
    step = max(_CELLS // columns, 1)
    for start in range(0, count, step):
        yield slice(start, min(start + step, count))
