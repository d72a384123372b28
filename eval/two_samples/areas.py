"""AUCs of scores from several folds, with intervals over patients.

A score is that of a fold's own classifier, so that only tiles of one fold are compared. Matrices
W and P (groups × groups) count the pairs of a synthetic tile of the one group and a real tile of
the other: those in order, and all. The AUC is ΣW / ΣP; without a group, its row and column go.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from eval.statistics.result import Number
from eval.statistics.roc import logit_interval

Floats = NDArray[np.float64]

LEVEL = 0.95
METHOD = "Mann-Whitney within folds, ties one half; 0.5: cannot be told apart"
# A bootstrap would draw a patient twice and compare it with itself, where tiles are most alike.
_INTERVAL = "delete-one jackknife over patients, logit, t quantile, classifiers as they are"


def auc_number(
    name: str,
    scores_N: Floats,
    synthetic_N: NDArray[np.bool_],
    fold_N: NDArray[np.int64],
    groups: Sequence[str],
) -> Number:
    """The AUC and its interval; none where all pairs are in order, or none is."""
    names, group_N = np.unique(np.array(groups), return_inverse=True)
    wins_GG, pairs_GG = _pairs(scores_N, synthetic_N, fold_N, group_N, len(names))
    value = float(wins_GG.sum() / pairs_GG.sum())
    error = _error(_without_each(wins_GG), _without_each(pairs_GG))
    interval = None if error is None else logit_interval(value, error, LEVEL)
    return Number(
        name=name,
        value=value,
        n=len(scores_N),
        method=METHOD,
        interval=interval,
        interval_level=LEVEL if interval else None,
        interval_method=_INTERVAL if interval else None,
        details={
            "groups": len(names),
            "folds": int(fold_N.max()) + 1,
            "interval_note": None if interval else "no interval: it is the same without any group",
        },
    )


def _error(wins_G: Floats, pairs_G: Floats) -> float | None:
    """The jackknife's standard error, as large as the t quantile asks for; None from two groups."""
    areas_G = wins_G[pairs_G > 0] / pairs_G[pairs_G > 0]
    count = len(areas_G)
    if count < 3:
        return None
    error = np.sqrt((count - 1) / count * ((areas_G - areas_G.mean()) ** 2).sum())
    upper = (1 + LEVEL) / 2
    return float(error * student.ppf(upper, count - 1) / NormalDist().inv_cdf(upper))


def _without_each(counts_GG: Floats) -> Floats:
    """The sum without each group (G,)."""
    found: Floats = (
        counts_GG.sum() - counts_GG.sum(axis=0) - counts_GG.sum(axis=1) + counts_GG.diagonal()
    )
    return found


def _pairs(
    scores_N: Floats,
    synthetic_N: NDArray[np.bool_],
    fold_N: NDArray[np.int64],
    group_N: NDArray[np.int64],
    count: int,
) -> tuple[Floats, Floats]:
    wins_GG, pairs_GG = np.zeros((count, count)), np.zeros((count, count))
    for fold in range(fold_N.max() + 1):
        ours, theirs = (
            np.flatnonzero((fold_N == fold) & (synthetic_N == kind)) for kind in (True, False)
        )
        difference = scores_N[ours][:, None] - scores_N[theirs]
        won = (difference > 0) + (difference == 0) / 2
        places = tuple(np.broadcast_arrays(group_N[ours][:, None], group_N[theirs]))
        np.add.at(wins_GG, places, won)
        np.add.at(pairs_GG, places, 1)
    return wins_GG, pairs_GG
