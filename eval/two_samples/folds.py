"""Who is kept apart from whom: patients, and the two tiles of one label map."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from hpc.errors import InputError
from hpc.randomness import key_of, permutation

MOST_FOLDS = 5
# What `histosyn synth --variants` and shards add to the name that a tile shares with its label map.
_ADDED = re.compile(r"(\.v\d+|\.label|\.tile)+$")


def label_key(name: str) -> str:
    """The name that a real tile and what was made of its label map have in common."""
    path = PurePosixPath(name)
    return _ADDED.sub("", path.stem if path.suffix in _IMAGES else path.name)


_IMAGES = {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp", ".gif"}


def groups_of(
    real: Sequence[str], synthetic: Sequence[str], known: Sequence[str] | None
) -> tuple[list[str], list[str]]:
    """The group of each tile; `known` are those of the real ones, or None.

    A synthetic tile belongs to the group of the real tile whose label map it was made of, found by
    name; others are groups of their own, one a label map.
    """
    own = list(known) if known is not None else [f"tile {label_key(name)}" for name in real]
    group_of: Mapping[str, str] = dict(zip(map(label_key, real), own, strict=True))
    keys = map(label_key, synthetic)
    return own, [group_of.get(key, f"tile {key}") for key in keys]


def folds_of(groups: Sequence[str], synthetic: NDArray[np.bool_], seed: int) -> NDArray[np.int64]:
    """The fold (N,) of each tile: whole groups, and as nearly as possible as many of each kind.

    Raises InputError unless there are two folds with tiles of both kinds.
    """
    names, group_N = np.unique(np.array(groups), return_inverse=True)
    counts_G2 = np.stack(
        [np.bincount(group_N[synthetic == kind], minlength=len(names)) for kind in (False, True)], 1
    )
    count = min(MOST_FOLDS, int((counts_G2 > 0).sum(axis=0).min()))
    shuffled = permutation(key_of(seed, "c2st folds"), len(names))
    # Large groups first: what is small fills the gaps.
    order = shuffled[np.argsort(-counts_G2[shuffled].max(axis=1), kind="stable")]
    filled_F2 = np.zeros((max(count, 1), 2))
    fold_G = np.zeros(len(names), np.int64)
    for group in order:
        fold_G[group] = _emptiest(filled_F2, counts_G2[group])
        filled_F2[fold_G[group]] += counts_G2[group]
    if count < 2 or not (filled_F2 > 0).all():
        raise InputError(
            f"{len(names)} patients or label maps cannot be parted into folds that all have real "
            "and synthetic tiles. Give tiles of more patients, on both sides."
        )
    return fold_G[group_N]


def _emptiest(filled_F2: NDArray[np.floating], counts_2: NDArray[np.int64]) -> int:
    """The fold that has least of what the group brings."""
    return int(np.argmin((filled_F2 * (counts_2 > 0)).sum(axis=1)))
