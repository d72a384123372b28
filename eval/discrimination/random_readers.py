"""The mean of readers, with readers and images both drawn from more of their kind.

Multi-reader multi-case analysis of one arm by Obuchowski & Rockette, "Hypothesis testing of
diagnostic accuracy for multiple readers and multiple tests", Commun Stat Simul Comput 1995;24:285,
with the degrees of freedom of Hillis, "A comparison of denominator degrees of freedom methods for
multiple observer ROC analysis", Stat Med 2007;26:596 (single test: df = (MS(R) + R·Cov2)² /
(MS(R)² / (R - 1)), variance of the mean (MS(R) + R·Cov2) / R, Cov2 not below 0).

Legend: R readers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import t as student

from eval.statistics.arrays import Floats

METHOD = (
    "Mean of readers, readers and images random: Obuchowski & Rockette 1995, degrees of freedom "
    "of Hillis 2007"
)
ONE_READER = "one reader: images random, says nothing of other readers"
EQUIVALENCE = "two one-sided t tests at 5 % (Schuirmann 1987): 90 % interval within the margin"
_EQUIVALENCE_LEVEL = 0.90


@dataclass(frozen=True, kw_only=True)
class Pooled:
    """`error` is the standard error of `value`; `df` infinite where readers do not vary at all.

    `between_readers` is MS(R), `covariance` Cov2, that of two readers by the images they share.
    """

    value: float
    error: float
    df: float
    readers: int
    between_readers: float | None
    covariance: float | None

    def interval(self, level: float) -> tuple[float, float] | None:
        """At `level`; None without an error, which would claim certainty."""
        if not self.error > 0:
            return None
        reach = float(student.ppf((1 + level) / 2, self.df)) * self.error
        return self.value - reach, self.value + reach

    def equivalence(self, chance: float, margin: float) -> dict[str, Any] | None:
        """Whether the mean lies within `margin` of `chance`; None without an interval."""
        interval = self.interval(_EQUIVALENCE_LEVEL)
        if interval is None:
            return None
        away = abs(self.value - chance)
        p = float(student.sf((margin - away) / self.error, self.df))
        return {
            "chance": chance,
            "margin": margin,
            "equivalent": chance - margin < interval[0] and interval[1] < chance + margin,
            "p": p,
            "interval": interval,
            "interval_level": _EQUIVALENCE_LEVEL,
            "method": EQUIVALENCE,
        }


def pooled(values_R: Floats, covariance_RR: Floats) -> Pooled | None:
    """The mean of defined values; None without any."""
    known = ~np.isnan(values_R)
    values_R, covariance_RR = values_R[known], covariance_RR[np.ix_(known, known)]
    count = len(values_R)
    if not count:
        return None
    value = float(values_R.mean())
    if count == 1:
        error = math.sqrt(max(float(covariance_RR[0, 0]), 0.0))
        return Pooled(value=value, error=error, df=math.inf, readers=1, between_readers=None,
                      covariance=None)  # fmt: skip
    between = float(values_R.var(ddof=1))
    shared = float(covariance_RR[~np.eye(count, dtype=bool)].mean())
    variance_times_readers = between + count * max(shared, 0.0)
    df = math.inf if between == 0 else variance_times_readers**2 / (between**2 / (count - 1))
    return Pooled(
        value=value,
        error=math.sqrt(variance_times_readers / count),
        df=df,
        readers=count,
        between_readers=between,
        covariance=shared,
    )
