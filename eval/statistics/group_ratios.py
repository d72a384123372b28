"""Ratios of spreads, with intervals over patients and label maps.

Tiles of a patient are alike, so that variances are those of sums over groups (the sandwich
estimate of clustered data: Liang & Zeger, Biometrika 1986;73:13), on the logarithm of the ratio.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from eval.statistics.result import Number

Floats = NDArray[np.float64]

LEVEL = 0.95
# Of a variance of logarithms; what is less is rounding, not agreement.
_ROUNDING = 1e-12
_NO_INTERVAL = (
    "no interval: a side has a single group, or two, which lie equally far from their mean, "
    "whatever they are"
)
_INTERVAL = "sandwich variance of the logarithm over patients or label maps, t quantile"


@dataclass(frozen=True, kw_only=True, eq=False)
class Estimate:
    """A positive number of one side: its logarithm's variance, from so many groups and units."""

    value: float
    variance: float
    groups: int
    n: int


def mean_of(values_N: Floats, groups: Sequence[str]) -> Estimate:
    """The mean of positive values."""
    mean = float(values_N.mean())
    return _estimate(mean, values_N / mean - 1, groups)


def spread_of(vectors_ND: Floats, groups: Sequence[str]) -> Estimate:
    """The root of the total variance of vectors, such as stains."""
    squares_N = ((vectors_ND - vectors_ND.mean(axis=0)) ** 2).sum(axis=1)
    total = float(squares_N.mean())
    # Half, for the root.
    return _estimate(total**0.5, (squares_N / total - 1) / 2, groups)


def ratio_number(
    name: str, synthetic: Estimate | None, real: Estimate | None, method: str, reason: str
) -> Number:
    """Synthetic over real; undefined, for the `reason` given, without either or where real is 0."""
    if synthetic is None or real is None or not real.value > 0:
        return Number(name=name, value=None, n=0, method=method, reason=reason)
    value = synthetic.value / real.value
    fewest = min(synthetic.groups, real.groups)
    interval = None
    if fewest > 1 and min(synthetic.variance, real.variance) > _ROUNDING:
        deviation = (synthetic.variance + real.variance) ** 0.5
        reach = float(student.ppf((1 + LEVEL) / 2, fewest - 1) * deviation)
        interval = value * float(np.exp(-reach)), value * float(np.exp(reach))
    return Number(
        name=name,
        value=value,
        n=synthetic.n,
        method=method,
        interval=interval,
        interval_level=LEVEL if interval else None,
        interval_method=_INTERVAL if interval else None,
        details={
            "synthetic": synthetic.value,
            "real": real.value,
            "groups": {"synthetic": synthetic.groups, "real": real.groups},
            "interval_note": None if interval else _NO_INTERVAL,
        },
    )


def _estimate(value: float, influence_N: Floats, groups: Sequence[str]) -> Estimate:
    names, group_N = np.unique(np.array(groups), return_inverse=True)
    sums_G, count = np.bincount(group_N, weights=influence_N), len(names)
    small = count / (count - 1) if count > 1 else 1.0
    variance = small * float((sums_G**2).sum()) / len(influence_N) ** 2
    return Estimate(value=value, variance=variance, groups=count, n=len(influence_N))
