"""Proportions: intervals, the binomial test, McNemar's test of paired proportions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from scipy import special

from hpc.errors import InputError


def wilson_interval(k: int, n: int, level: float = 0.95) -> tuple[float, float] | None:
    """Score interval of the proportion k/n at `level` (0 to 1); None for n = 0.

    Unlike p ± z·√(p(1 − p)/n) it is of use at 0 and at n. Wilson 1927, J Am Stat Assoc 22:209;
    Newcombe 1998, Stat Med 17:857, method 3.
    """
    _require_counts(k, n, level)
    if not n:
        return None
    z = float(special.ndtri((1 + level) / 2))
    centre = (k + z * z / 2) / (n + z * z)
    half = z / (n + z * z) * (k * (n - k) / n + z * z / 4) ** 0.5
    # At the ends the two terms are equal, but for rounding.
    return (centre - half if k else 0.0), (centre + half if k < n else 1.0)


def clopper_pearson_interval(k: int, n: int, level: float = 0.95) -> tuple[float, float] | None:
    """Exact interval of the proportion k/n at `level` (0 to 1), never too short; None for n = 0.

    Clopper & Pearson 1934, Biometrika 26:404.
    """
    _require_counts(k, n, level)
    if not n:
        return None
    tail = (1 - level) / 2
    low = float(special.betaincinv(k, n - k + 1, tail)) if k else 0.0
    high = float(special.betaincinv(k + 1, n - k, 1 - tail)) if k < n else 1.0
    return low, high


def binomial_test(k: int, n: int, p: float = 0.5) -> float | None:
    """Two-sided exact p value of k successes in n trials of chance `p`; None for n = 0.

    The total chance of all outcomes that are no more likely than the one seen.
    """
    _require_counts(k, n)
    if not 0 <= p <= 1:
        raise InputError(f"A chance of {p} does not lie between 0 and 1.")
    if not n:
        return None
    from scipy.stats import binomtest  # Slow to import, and all that is needed of it.

    return float(binomtest(k, n, p).pvalue)


@dataclass(frozen=True, kw_only=True)
class McNemar:
    """Statistic with one degree of freedom, its p value, and the exact p value."""

    chi2: float
    p: float
    exact_p: float


def mcnemar(table: Sequence[Sequence[int]], *, correction: bool = True) -> McNemar | None:
    """Whether two paired proportions differ, from [[both, only first], [only second, neither]].

    `correction` is that for continuity. None if no pair is discordant: then nothing can be said.
    McNemar 1947, Psychometrika 12:153; the exact p value is that of the binomial test.
    """
    if len(table) != 2 or any(len(row) != 2 or min(row) < 0 for row in table):
        raise InputError("McNemar's test needs a table of 2 rows of 2 counts, none negative.")
    first, second = table[0][1], table[1][0]
    discordant = first + second
    if not discordant:
        return None
    difference = max(abs(first - second) - correction, 0)
    chi2 = difference**2 / discordant
    exact = binomial_test(first, discordant)
    assert exact is not None
    return McNemar(chi2=chi2, p=float(special.chdtrc(1, chi2)), exact_p=exact)


def _require_counts(k: int, n: int, level: float = 0.95) -> None:
    if not 0 <= k <= n:
        raise InputError(f"{k} of {n} is no proportion: counts must satisfy 0 <= k <= n.")
    if not 0 < level < 1:
        raise InputError(f"A level of {level} must lie between 0 and 1, such as 0.95.")
