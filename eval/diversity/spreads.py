"""Distances between variants of a label map, and between real tiles of like composition."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def variant_distances(features_ND: Floats, keys: Sequence[str]) -> tuple[Floats, list[str]]:
    """For each label map with variants their mean distance from each other, and which it is."""
    rows_of: dict[str, list[int]] = {}
    for row, key in enumerate(keys):
        rows_of.setdefault(key, []).append(row)
    found = {
        key: _mean_distance(features_ND[rows]) for key, rows in rows_of.items() if len(rows) > 1
    }
    return np.array(list(found.values())), list(found)


def _mean_distance(features_VD: Floats) -> float:
    differences = features_VD[:, None] - features_VD
    count = len(features_VD)
    return float(np.sqrt((differences**2).sum(axis=2)).sum() / (count * (count - 1)))


def like_distances(features_ND: Floats, shares_NK: Floats, groups: Sequence[str]) -> Floats:
    """Of each tile the distance from the tile most like it in composition, of another group.

    Composition is the share of each class; all tiles are of one group: of another tile.
    """
    group_N = np.unique(np.array(groups), return_inverse=True)[1]
    alone = group_N.max() == 0
    found = np.empty(len(features_ND))
    for row in range(len(features_ND)):
        unlike = np.abs(shares_NK - shares_NK[row]).sum(axis=1)
        barred = np.arange(len(found)) == row if alone else group_N == group_N[row]
        other = int(np.argmin(np.where(barred, np.inf, unlike)))
        found[row] = np.linalg.norm(features_ND[row] - features_ND[other])
    return found
