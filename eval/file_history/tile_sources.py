"""The history of the tiles that are measured: as many of them as tell it, as they are stored."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from eval.features.tile_sources import StoredTiles, TileFolder
from eval.file_history.comparison import Arm, FileHistory, compare_histories
from eval.file_history.files import facts_of
from eval.file_history.traces import TRACES, traces_of
from hpc.errors import DatasetError
from hpc.randomness import key_of, permutation

# Enough for any trace that tells nearly every tile of the one arm from nearly every of the other.
MOST_TILES = 64


def history_between(real: StoredTiles, synthetic: StoredTiles, *, seed: int = 0) -> FileHistory:
    """Compare up to 64 tiles of each side, drawn by `seed`, before any resize.

    Tiles that cannot be read are left out. Raises DatasetError if none of a side can.
    """
    return compare_histories(_arm_of(real, seed), _arm_of(synthetic, seed))


def _arm_of(source: StoredTiles, seed: int) -> Arm:
    stored = source if source.resize is None else replace(source, resize=None)
    rows = np.sort(permutation(key_of(seed, "file history"), len(stored))[:MOST_TILES])
    traces, files = [], []
    for row in rows.tolist():
        try:
            traces.append(traces_of(stored.read(row)))
            if isinstance(stored, TileFolder):
                files.append(facts_of(stored.paths[row], stored.place(row)))
        except DatasetError:
            continue
    return Arm(traces_NT=np.array(traces).reshape(-1, len(TRACES)), files=tuple(files))
