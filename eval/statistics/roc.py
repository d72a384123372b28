"""Areas under ROC curves (AUC) of confidence ratings, which have ties.

The area is the chance that an image of the one kind (positive) gets a higher rating than one of the
other (negative), a tie counting one half: Mann & Whitney's statistic with mid-ranks. Its variance
is that of DeLong, DeLong & Clarke-Pearson, "Comparing the areas under two or more correlated
receiver operating characteristic curves", Biometrics 1988;44:837, found by ranks as in Sun & Xu,
IEEE Signal Processing Letters 2014;21:1389. Intervals are made on the logit scale, so that they end
between 0 and 1.

Legend: R readers, M positive and N negative images, B replicates, K grades in rising order.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import rankdata

from eval.statistics.arrays import Floats, ratio, real_numbers
from eval.statistics.interval import FormulaInterval
from eval.statistics.result import Number
from hpc.errors import InputError

METHOD = "Mann-Whitney, ties one half"
INTERVAL_METHOD = "DeLong 1988, logit"


@dataclass(frozen=True, kw_only=True, eq=False)
class Areas:
    """The areas of R readers who rated the same images, and their (co)variances.

    `covariance_RR` is None from fewer than two images of a kind.
    """

    values_R: Floats
    covariance_RR: Floats | None
    n_positive: int
    n_negative: int


def areas(positive_RM: ArrayLike, negative_RN: ArrayLike) -> Areas:
    """AUCs with DeLong's covariance; every reader rated every image. InputError for other arrays.

    Of readers who rated other images as well, take those that all of them rated.
    """
    positive_RM, negative_RN = (
        np.atleast_2d(real_numbers(ratings, f"{kind} ratings")).astype(np.float64)
        for ratings, kind in ((positive_RM, "positive"), (negative_RN, "negative"))
    )
    (readers, m), (others, n) = positive_RM.shape, negative_RN.shape
    if readers != others or not (m and n):
        raise InputError(
            f"Ratings of {m} positive and {n} negative images by {readers} and {others} readers: "
            "an area needs images of both kinds, rated by the same readers."
        )
    both_RT = np.concatenate([positive_RM, negative_RN], axis=1)
    ranks_RT = rankdata(both_RT, axis=1)
    # The share of the other kind that lies below each image, ties one half.
    below_RM = (ranks_RT[:, :m] - rankdata(positive_RM, axis=1)) / n
    above_RN = 1 - (ranks_RT[:, m:] - rankdata(negative_RN, axis=1)) / m
    covariance_RR = None
    if min(m, n) > 1:
        covariance_RR = np.atleast_2d(np.cov(below_RM)) / m + np.atleast_2d(np.cov(above_RN)) / n
    return Areas(
        values_R=below_RM.mean(axis=1), covariance_RR=covariance_RR, n_positive=m, n_negative=n
    )


def auc_of(
    positive: Sequence[float | None], negative: Sequence[float | None], *, level: float = 0.95
) -> Number:
    """The AUC of one reader's confidence, with DeLong's interval; None and NaN are missing ratings.

    `value` is None, with the reason, without a rating of each kind. The interval is None from a
    single image of a kind, or where the reader separates the kinds completely.
    """
    rated = [
        [one for one in side if one is not None and one == one] for side in (positive, negative)
    ]
    counts = {"positive": len(rated[0]), "negative": len(rated[1])}
    missing = [kind for kind, count in counts.items() if not count]
    found = None if missing else areas(*rated)
    formula = None if found is None else formula_interval(found, level)
    interval = formula.interval if formula else None
    return Number(
        name="auc",
        value=None if found is None else float(found.values_R[0]),
        n=sum(counts.values()),
        method=METHOD,
        interval=interval,
        interval_level=level if interval else None,
        interval_method=INTERVAL_METHOD if interval else None,
        reason=f"no {' and no '.join(missing)} image was rated" if missing else None,
        details={"images": counts, "by_formula": [asdict(formula)] if formula else []},
    )


def formula_interval(found: Areas, level: float) -> FormulaInterval | None:
    """The interval of the mean of areas, and its standard error; None without one."""
    if found.covariance_RR is None:
        return None
    error = math.sqrt(max(float(found.covariance_RR.mean()), 0.0))
    return FormulaInterval(
        method=INTERVAL_METHOD,
        interval=logit_interval(float(found.values_R.mean()), error, level),
        level=level,
        standard_error=error,
    )


def logit_interval(value: float, error: float, level: float) -> tuple[float, float] | None:
    """The interval of an area with a standard `error`; None at 0 and 1, or without an error.

    There the formula would claim certainty.
    """
    if not (0 < value < 1 and error > 0):
        return None
    logit = math.log(value / (1 - value))
    reach = NormalDist().inv_cdf((1 + level) / 2) * error / (value * (1 - value))
    low, high = (1 / (1 + math.exp(-end)) for end in (logit - reach, logit + reach))
    return low, high


def areas_of_counts(positive_BK: Floats, negative_BK: Floats) -> Floats:
    """AUCs (B,) from how many images of each kind have each grade; NaN without one of a kind."""
    below_BK = np.cumsum(negative_BK, axis=1) - negative_BK / 2
    pairs_B = positive_BK.sum(axis=1) * negative_BK.sum(axis=1)
    return ratio((positive_BK * below_BK).sum(axis=1), pairs_B)
