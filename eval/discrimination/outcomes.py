"""What is measured of each reader, and how much each image has to do with it.

The influence of an image is the derivative of a statistic by the weight of that image, divided by
the number of images of its kind: (co)variances of readers are sums of products of influences. Of
an AUC they are the components of DeLong, DeLong & Clarke-Pearson (Biometrics 1988;44:837); of
proportions they are exact; of d' and criterion they follow by the delta method, with half an answer
added to each count (log-linear, Hautus 1995) as in the values themselves.

Legend: I images, R readers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri
from scipy.stats import norm, rankdata

from eval.discrimination.panel import Bools, Panel
from eval.statistics.arrays import Floats

CHANCE = {"auc": 0.5, "accuracy": 0.5, "pairs": 0.5, "dprime": 0.0}
OF_IMAGES = ("auc", "accuracy", "sensitivity", "specificity", "dprime", "criterion")
OF_PAIRS = ("pairs",)
SHARES = frozenset({"auc", "accuracy", "sensitivity", "specificity", "pairs"})


@dataclass(frozen=True, kw_only=True, eq=False)
class Measured:
    """`values_R`: NaN for who read no image of a kind. `influence_RI`: 0 where nothing was read."""

    values_R: Floats
    influence_RI: Floats

    def covariances(self, panel: Panel) -> Floats:
        """Covariances (R, R) over images drawn kind by kind, or over patients drawn whole.

        Groups as in Obuchowski, "Nonparametric analysis of clustered ROC curve data", Biometrics
        1997;53:567: what a group adds up to is what varies.
        """
        group_I = panel.group_I
        if group_I is not None:
            groups = int(group_I.max()) + 1
            sums_RG = self.influence_RI @ (group_I[:, None] == np.arange(groups)).astype(float)
            return sums_RG @ sums_RG.T * (groups / max(groups - 1, 1))
        total = np.zeros((len(self.values_R),) * 2)
        for kind in np.unique(panel.strata):
            mine_I = panel.strata == kind
            read_IR = panel.answered[mine_I].astype(float)
            both_RR = read_IR.T @ read_IR
            factor_RR = np.divide(both_RR, both_RR - 1, out=np.zeros_like(both_RR),
                                  where=both_RR > 1)  # fmt: skip
            part_RI = self.influence_RI[:, mine_I]
            total += part_RI @ part_RI.T * factor_RR
        return total


def measure(name: str, panel: Panel) -> Measured:
    """One of `OF_IMAGES` or `OF_PAIRS`, of each reader."""
    return _MEASURES[name](panel)


def _auc(panel: Panel) -> Measured:
    values_R = np.full(len(panel.readers), np.nan)
    influence_RI = np.zeros(panel.ratings_IR.T.shape)
    # Readers who read the same images, most often all of them, are ranked together.
    patterns, pattern_of_R = np.unique(panel.answered.T, axis=0, return_inverse=True)
    for number, read_I in enumerate(patterns):
        readers = np.flatnonzero(pattern_of_R.reshape(-1) == number)
        yes, no = (np.flatnonzero(read_I & kind) for kind in (panel.positive_I, ~panel.positive_I))
        if not (len(yes) and len(no)):
            continue
        yes_RY, no_RN = (panel.ratings_IR[np.ix_(rows, readers)].T for rows in (yes, no))
        ranks = rankdata(np.concatenate([yes_RY, no_RN], axis=1), axis=1)
        # The share of the other kind that lies below, or above, ties one half.
        below_RY = (ranks[:, : len(yes)] - rankdata(yes_RY, axis=1)) / len(no)
        above_RN = 1 - (ranks[:, len(yes) :] - rankdata(no_RN, axis=1)) / len(yes)
        values_R[readers] = mean_R = below_RY.mean(axis=1)
        influence_RI[np.ix_(readers, yes)] = (below_RY - mean_R[:, None]) / len(yes)
        influence_RI[np.ix_(readers, no)] = (above_RN - mean_R[:, None]) / len(no)
    return Measured(values_R=values_R, influence_RI=influence_RI)


def _share(panel: Panel, kinds: Bools) -> Measured:
    """Right answers to the images (I,) of `kinds`."""
    counted_IR = panel.answered & kinds[:, None]
    n_R = counted_IR.sum(axis=0)
    right_IR = np.where(counted_IR, np.nan_to_num(panel.correct), 0.0)
    with np.errstate(invalid="ignore"):
        values_R = np.where(n_R > 0, right_IR.sum(axis=0) / np.maximum(n_R, 1), np.nan)
    away_IR = np.where(counted_IR, right_IR - np.nan_to_num(values_R), 0.0)
    return Measured(values_R=values_R, influence_RI=(away_IR / np.maximum(n_R, 1)).T)


def _accuracy(panel: Panel) -> Measured:
    """Each kind counts by its number of images, which the design has fixed."""
    yes, no = _share(panel, panel.positive_I), _share(panel, ~panel.positive_I)
    n_yes = (panel.answered & panel.positive_I[:, None]).sum(axis=0)
    n_no = panel.answered.sum(axis=0) - n_yes
    total = np.maximum(n_yes + n_no, 1)
    return Measured(
        values_R=(yes.values_R * n_yes + no.values_R * n_no) / total,
        influence_RI=yes.influence_RI * (n_yes / total)[:, None]
        + no.influence_RI * (n_no / total)[:, None],
    )


def _signal(panel: Panel, hits: float, alarms: float) -> Measured:
    """hits·z(hit rate) + alarms·z(false alarm rate), with half an answer added to each count."""
    values_R, influence_RI = 0.0, 0.0
    for kind, weight, miss in ((panel.positive_I, hits, False), (~panel.positive_I, alarms, True)):
        share = _share(panel, kind)
        n_R = (panel.answered & kind[:, None]).sum(axis=0)
        said_R = (1 - share.values_R if miss else share.values_R) * n_R
        z_R = ndtri((said_R + 0.5) / (n_R + 1))
        slope_R = weight * (n_R / (n_R + 1)) / norm.pdf(z_R) * (-1 if miss else 1)
        values_R = values_R + weight * z_R
        influence_RI = influence_RI + share.influence_RI * np.nan_to_num(slope_R)[:, None]
    return Measured(values_R=np.asarray(values_R), influence_RI=np.asarray(influence_RI))


_MEASURES: dict[str, Callable[[Panel], Measured]] = {
    "auc": _auc,
    "accuracy": _accuracy,
    "sensitivity": lambda panel: _share(panel, panel.positive_I),
    "specificity": lambda panel: _share(panel, ~panel.positive_I),
    "dprime": lambda panel: _signal(panel, 1.0, -1.0),
    "criterion": lambda panel: _signal(panel, -0.5, -0.5),
    "pairs": lambda panel: _share(panel, np.ones(len(panel.images), bool)),
}
