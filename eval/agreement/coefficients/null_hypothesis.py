"""Tests of kappa = 0: standard errors under the null hypothesis of chance agreement.

That readers agree more than by chance says little; the tests are here because journals and other
software print them. For how well readers agree, use an interval.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import NormalDist
from typing import Any

import numpy as np

from eval.agreement.coefficients.chance_corrected import shares_of_two
from eval.agreement.coefficients.sample import Sample
from eval.statistics.arrays import Floats, ratio

NullError = Callable[[Sample], float]


def cohen_null_error(sample: Sample, disagreement_KK: Floats) -> float:
    """Fleiss, Cohen & Everitt 1969, equation 9, for disagreements; NaN where undefined."""
    (n,), ((first_K,), (second_K,)) = shares_of_two(sample)
    by_chance_KK = first_K[:, None] * second_K[None, :]
    chance = (by_chance_KK * disagreement_KK).sum()
    means_KK = (disagreement_KK @ second_K)[:, None] + (first_K @ disagreement_KK)[None, :]
    spread = (by_chance_KK * (disagreement_KK - means_KK) ** 2).sum() - chance**2
    return float(np.sqrt(ratio(np.maximum(spread, 0.0), n * chance**2)))


def fleiss_null_error(sample: Sample) -> float:
    """Fleiss, Nee & Landis 1979: every image has the same number of ratings; otherwise NaN."""
    ratings = set(sample.ratings.tolist())
    if len(ratings) != 1 or (m := ratings.pop()) < 2:
        return math.nan
    used_K, n = sample.shares[0], float(sample.rated[0])
    chance = (used_K * (1 - used_K)).sum()
    skew = (used_K * (1 - used_K) * (1 - 2 * used_K)).sum()
    variance = ratio(2 * np.maximum(chance**2 - skew, 0.0), n * m * (m - 1) * chance**2)
    return float(np.sqrt(variance))


def null_test(value: float, error: float, method: str) -> dict[str, Any] | None:
    """z and the two-sided p of kappa = 0, from the standard normal; None without an error."""
    if not error > 0:
        return None
    z = value / error
    p = 2 * NormalDist().cdf(-abs(z))
    return {"z": z, "p_two_sided": p, "standard_error": error, "method": method}
