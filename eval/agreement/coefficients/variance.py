"""Standard errors and intervals by formula, each named after its method.

All but the intraclass correlations' come from one thing: the influence U_i of an image, n times the
derivative of the statistic with respect to the image's weight. For two raters, √(ΣU²)/n is the
standard error of Fleiss, Cohen & Everitt (1969); √(ΣU²/(n(n − 1))) is the linearised one of Gwet
(2008; 2014, chapter 5) where every image has two ratings or more. For images with a single one Gwet
adds a term, and so does this.

Legend: I images (or patterns of ratings, counted), R raters, K categories.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist
from types import MappingProxyType

import numpy as np

from eval.agreement.coefficients.icc import mean_squares
from eval.agreement.coefficients.sample import Perturbed, Sample
from eval.statistics.arrays import Floats
from eval.statistics.interval import FormulaInterval

# Central differences: the error is of the order of the square, rounding of its inverse.
_STEP = 1e-5
# What these differences leave of a derivative that is zero.
_ZERO_ERROR = 1e-8


@dataclass(frozen=True, kw_only=True)
class Influence:
    """The value of a statistic, and per image of (I,): influence U, times in the data, use.

    `rated` and `comparable` are bool (I,): images with one rating or more, and with two or more.
    `lowest`: the least value that the statistic can have.
    """

    value: float
    influence: Floats
    times: Floats
    rated: np.ndarray
    comparable: np.ndarray
    lowest: float = -math.inf


Formula = Callable[[Influence, float], FormulaInterval | None]


def influence_of(values: Callable[[Sample], Floats], sample: Sample) -> Influence | None:
    """The influences of a statistic at `sample` (one replicate); None where it is undefined."""
    value = float(values(sample)[0])
    up, down = (
        values(
            Perturbed(
                codes_IR=sample.codes_IR,
                n_categories=sample.n_categories,
                times_BI=sample.times_BI,
                step=step,
            )
        )
        for step in (_STEP, -_STEP)
    )
    slopes_I = (up - down) / (2 * _STEP)
    if math.isnan(value) or np.isnan(slopes_I).any():
        return None
    return Influence(
        value=value,
        influence=slopes_I,
        times=sample.times_BI[0],
        rated=sample.ratings > 0,
        comparable=sample.pairs_of_image > 0,
    )


def fleiss_cohen_everitt(at: Influence, level: float) -> FormulaInterval | None:
    """Fleiss, Cohen & Everitt 1969, equation 8: of Cohen's (weighted) kappa, normal quantile."""
    n = at.times[at.comparable].sum()
    if n < 2:
        return None
    error = float(np.sqrt((at.times * at.influence**2).sum()))
    return _around(
        at, error, NormalDist().inv_cdf((1 + level) / 2), level,
        "Fleiss, Cohen & Everitt 1969, normal",
    )  # fmt: skip


def gwet_all_rated(at: Influence, level: float) -> FormulaInterval | None:
    """Gwet 2008, 2014: chance from all rated images, observed agreement from comparable ones."""
    return _linearised(at, at.rated, level, "Gwet 2014, linearised, t")


def gwet_comparable(at: Influence, level: float) -> FormulaInterval | None:
    """Gwet 2014 for coefficients that ignore images with a single rating."""
    return _linearised(at, at.comparable, level, "Gwet 2014, linearised, t")


def infinitesimal_jackknife(at: Influence, level: float) -> FormulaInterval | None:
    """Efron 1982, The Jackknife, the Bootstrap and Other Resampling Plans, chapter 6."""
    return _linearised(at, at.comparable, level, "infinitesimal jackknife, t")


FORMULAS: MappingProxyType[str, Formula] = MappingProxyType(
    {
        "fleiss_cohen_everitt": fleiss_cohen_everitt,
        "gwet_all_rated": gwet_all_rated,
        "gwet_comparable": gwet_comparable,
        "infinitesimal_jackknife": infinitesimal_jackknife,
    }
)


def icc_interval(
    sample: Sample, values_K: Floats, model: str, level: float
) -> FormulaInterval | None:
    """McGraw & Wong 1996, table 7: from quantiles of the F distribution; None if undefined.

    Without variance between images, or within them, F is 0 or infinite: an interval would have
    width zero and claim certainty, or no bounds at all.
    """
    from scipy.special import fdtri

    ms = mean_squares(sample, values_K)
    n, k = float(ms.n[0]), ms.k
    rest = ms.within if model.startswith("ICC(1") else ms.error
    images, raters, error = float(ms.images[0]), float(ms.raters[0]), float(rest[0])
    if not (images > 0 and error > 0):
        return None
    tail = (1 + level) / 2
    if model.startswith("ICC(A"):
        low, high = _absolute_interval(images, raters, error, n=n, k=k, tail=tail)
    else:
        other_freedom = n * (k - 1) if model.startswith("ICC(1") else (n - 1) * (k - 1)
        lowest = images / error / float(fdtri(n - 1, other_freedom, tail))
        highest = images / error * float(fdtri(other_freedom, n - 1, tail))
        low, high = ((f - 1) / (f + k - 1) for f in (lowest, highest))
    if model.endswith("k)"):
        low, high = (_of_mean(one, k) for one in (low, high))
    if not -math.inf < low < high < math.inf:
        return None
    return FormulaInterval(method="McGraw & Wong 1996, F", interval=(low, high), level=level)


def _of_mean(one: float, k: int) -> float:
    """Spearman-Brown: of the mean of k ratings; without bound as `one` falls to -1 / (k - 1)."""
    spread = 1 + (k - 1) * one
    return k * one / spread if spread > 0 else -math.inf


def _absolute_interval(
    images: float, raters: float, error: float, *, n: float, k: int, tail: float
) -> tuple[float, float]:
    """Of ICC(A,1), with Satterthwaite's degrees of freedom for the mixture of mean squares."""
    from scipy.special import fdtri

    offsets = k * (raters - error) / n
    one = (images - error) / (images + (k - 1) * error + offsets)
    a, b = k * one / (n * (1 - one)), 1 + k * one * (n - 1) / (n * (1 - one))
    freedom = (a * raters + b * error) ** 2 / (
        (a * raters) ** 2 / (k - 1) + (b * error) ** 2 / ((n - 1) * (k - 1))
    )
    upper, lower = float(fdtri(n - 1, freedom, tail)), float(fdtri(freedom, n - 1, tail))
    mixture = k * raters + (k * n - k - n) * error
    low = n * (images - upper * error) / (upper * mixture + n * images)
    high = n * (lower * images - error) / (mixture + n * lower * images)
    return low, high


def _linearised(
    at: Influence, counted: np.ndarray, level: float, method: str
) -> FormulaInterval | None:
    from scipy.special import stdtrit

    times_I = np.where(counted, at.times, 0.0)
    n, comparable = times_I.sum(), at.times[at.comparable].sum()
    if n < 2:
        return None
    # Gwet's term: an image with a single rating could have shown any agreement, not the mean one.
    single_I = at.value * (n / comparable * at.comparable - 1)
    squares = (times_I * (n * at.influence + single_I) ** 2).sum()
    error = float(np.sqrt(squares / (n * (n - 1))))
    quantile = float(stdtrit(n - 1, (1 + level) / 2))
    return _around(at, error, quantile, level, f"{method}({n - 1:.0f})")


def _around(
    at: Influence, error: float, quantile: float, level: float, method: str
) -> FormulaInterval:
    """The value ± `quantile` errors, within the range of the statistic."""
    if error < _ZERO_ERROR:
        return FormulaInterval(method=method, interval=None, level=level, standard_error=0.0)
    # A value at the end of its range may be beyond it by what rounding leaves.
    low = min(max(at.value - quantile * error, at.lowest), at.value)
    high = min(at.value + quantile * error, 1.0)
    return FormulaInterval(method=method, interval=(low, high), level=level, standard_error=error)
