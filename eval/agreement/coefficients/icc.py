"""Intraclass correlations: agreement of ratings that are numbers, from an analysis of variance.

McGraw & Wong 1996, "Forming inferences about some intraclass correlation coefficients"; in
brackets the names of Shrout & Fleiss 1979. "1": of one rating; "k": of the mean of all k raters.

    ICC(1,1), ICC(1,k)    one-way: an image's raters are any raters
    ICC(A,1), ICC(A,k)    two-way, absolute agreement    [ICC(2,1), ICC(2,k)]
    ICC(C,1), ICC(C,k)    two-way, consistency: a rater's constant offset is forgiven
                                                         [ICC(3,1), ICC(3,k)]

An analysis of variance needs complete rows: images that a rater has not rated are left out.
Legend: B replicates, I images, R raters.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from eval.agreement.coefficients.sample import MISSING, Sample
from eval.statistics.arrays import Floats, ratio

# Sums of squares below this share of the whole, and denominators below this share of their
# numerators, are what rounding left of zero.
_ROUNDING = 1e-12


@dataclass(frozen=True, kw_only=True)
class MeanSquares:
    """Mean squares (B,) of n images and k raters: between images, raters, and the rest."""

    images: Floats
    raters: Floats
    within: Floats
    error: Floats
    n: Floats
    k: int


def _one_way(ms: MeanSquares) -> Floats:
    return _quotient(ms.images - ms.within, ms.images + (ms.k - 1) * ms.within)


def _one_way_mean(ms: MeanSquares) -> Floats:
    return _quotient(ms.images - ms.within, ms.images)


def _absolute(ms: MeanSquares) -> Floats:
    offsets_B = ms.k * _offsets(ms)
    return _quotient(ms.images - ms.error, ms.images + (ms.k - 1) * ms.error + offsets_B)


def _absolute_mean(ms: MeanSquares) -> Floats:
    return _quotient(ms.images - ms.error, ms.images + _offsets(ms))


def _offsets(ms: MeanSquares) -> Floats:
    return ratio(ms.raters, ms.n) - ratio(ms.error, ms.n)


def _consistency(ms: MeanSquares) -> Floats:
    return _quotient(ms.images - ms.error, ms.images + (ms.k - 1) * ms.error)


def _consistency_mean(ms: MeanSquares) -> Floats:
    return _quotient(ms.images - ms.error, ms.images)


MODELS: MappingProxyType[str, Callable[[MeanSquares], Floats]] = MappingProxyType(
    {
        "ICC(1,1)": _one_way,
        "ICC(1,k)": _one_way_mean,
        "ICC(A,1)": _absolute,
        "ICC(A,k)": _absolute_mean,
        "ICC(C,1)": _consistency,
        "ICC(C,k)": _consistency_mean,
    }
)
ALSO_CALLED = MappingProxyType(
    {
        "ICC(2,1)": "ICC(A,1)",
        "ICC(2,k)": "ICC(A,k)",
        "ICC(3,1)": "ICC(C,1)",
        "ICC(3,k)": "ICC(C,k)",
        "ICC1": "ICC(1,1)",
        "ICC1k": "ICC(1,k)",
        "ICC2": "ICC(A,1)",
        "ICC2k": "ICC(A,k)",
        "ICC3": "ICC(C,1)",
        "ICC3k": "ICC(C,k)",
    }
)


def icc(sample: Sample, values_K: Floats, model: str) -> Floats:
    """An intraclass correlation (one of `MODELS`) of categories with these values: (B,)."""
    return MODELS[model](mean_squares(sample, values_K))


def mean_squares(sample: Sample, values_K: Floats) -> MeanSquares:
    """The analysis of variance of the images that all raters rated; NaN where there is none."""
    complete_I = (sample.codes_IR != MISSING).all(axis=1)
    k = sample.codes_IR.shape[1]
    # From the first value on, not from zero: ratings that are all the same are then exactly zero.
    rows_IR = np.where(complete_I[:, None], (values_K - values_K[0])[sample.codes_IR], 0.0)
    n_B = sample.total(complete_I.astype(np.float64))
    raw_B = sample.total((rows_IR**2).sum(axis=1))
    mean_B = ratio(sample.total(rows_IR.sum(axis=1)) ** 2, n_B * k)
    whole_B = _without_rounding(raw_B - mean_B, raw_B)
    images_B = _without_rounding(sample.total(rows_IR.sum(axis=1) ** 2) / max(k, 1) - mean_B, raw_B)
    columns_B = (sample.total(rows_IR) ** 2).sum(axis=1)
    raters_B = _without_rounding(ratio(columns_B, n_B) - mean_B, raw_B)
    error_B = _without_rounding(whole_B - images_B - raters_B, raw_B)
    within_B = _without_rounding(whole_B - images_B, raw_B)
    others = np.full(len(n_B), k - 1.0)
    return MeanSquares(
        images=ratio(images_B, n_B - 1),
        raters=ratio(raters_B, others),
        within=ratio(within_B, n_B * (k - 1)),
        error=ratio(error_B, (n_B - 1) * (k - 1)),
        n=n_B,
        k=k,
    )


def _without_rounding(squares_B: Floats, raw_B: Floats) -> Floats:
    return np.where(squares_B > _ROUNDING * raw_B, squares_B, 0.0 * squares_B)


def _quotient(top_B: Floats, bottom_B: Floats) -> Floats:
    """NaN where the denominator, an estimate of a variance, is not positive but for rounding."""
    positive_B = bottom_B > _ROUNDING * np.abs(top_B)
    return np.divide(top_B, bottom_B, out=np.full(top_B.shape, np.nan), where=positive_B)
