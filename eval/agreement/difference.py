"""The difference of agreement between two arms, and its permutation test.

Three questions, three answers. How large is the difference? The bootstrap interval. Could it be
chance, if readers treated both arms alike? The permutation test: images change arms, raters stay
(Good 2005, Permutation, Parametric and Bootstrap Tests of Hypotheses). Is it small enough not to
matter? Only the equivalence test says so (`eval.statistics.equivalence`), with a margin set before
the data were seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, islice
from math import comb
from typing import Any

import numpy as np

from eval.agreement.coefficients.sample import Sample, patterns
from eval.agreement.coefficients.statistics import Statistic
from eval.statistics.arrays import Floats, Ints
from eval.statistics.bootstrap import blocks, keyed_random

NOT_EQUIVALENCE = (
    "A p-value above 0.05 does not show that readers agree alike on both arms. Only an equivalence "
    "test with a margin that was set beforehand (--margin) can."
)
_PERMUTATIONS = 98
# Up to so many assignments of images to arms all are tried, also where fewer replicates would do.
_MOST_EXACT = 10_000
# Equal differences may differ by what summing in another order leaves.
_TIE = 1e-12


@dataclass(frozen=True, kw_only=True)
class Permuted:
    """Differences (S, P) under exchange of images between the arms, and how these were dealt.

    `exact`: all deals there are.
    """

    differences_SP: Floats
    exact: bool
    paired: bool


def permuted_differences(
    first_IR: Ints,
    second_IR: Ints,
    n_categories: int,
    statistics: Sequence[Statistic],
    *,
    replicates: int,
    seed: int,
    paired: bool = False,
) -> Permuted:
    """Differences of `statistics` when the images of two arms are dealt anew, in the same numbers.

    Columns are the same raters in both. With few images all deals are made, otherwise `replicates`
    random ones. If `paired`, rows are pairs of images, which are swapped or not.
    """
    codes_UR = np.concatenate([first_IR, second_IR])
    counts_U = np.ones(len(codes_UR), dtype=np.int64)
    n, n_first = len(codes_UR), len(first_IR)
    ways = 2**n_first if paired else comb(n, n_first)
    exact = ways <= max(replicates, _MOST_EXACT)
    random = keyed_random((seed, _PERMUTATIONS))
    if not (paired or exact):
        codes_UR, counts_U = patterns(codes_UR)
    columns = max(len(codes_UR), codes_UR.shape[1] * n_categories)
    of_deals = blocks(ways if exact else replicates, columns)
    if paired:
        deals = _swaps(n_first, of_deals, None if exact else random)
    elif exact:
        deals = _all_deals(n, n_first, of_deals)
    else:
        deals = _random_deals(counts_U, n_first, of_deals, random)
    differences = []
    for times_BU in deals:
        first, second = (
            Sample(codes_IR=codes_UR, n_categories=n_categories, times_BI=times)
            for times in (times_BU, counts_U - times_BU)
        )
        differences.append(
            np.stack([each.values(first) - each.values(second) for each in statistics])
        )
    return Permuted(differences_SP=np.concatenate(differences, axis=1), exact=exact, paired=paired)


def permutation_test(difference: float, permuted: Permuted, row: int) -> dict[str, Any]:
    """Two-sided p of the statistic in `row`: the share of deals with a difference as large.

    A deal in which the statistic is undefined counts as large.
    """
    permuted_P = permuted.differences_SP[row]
    undefined = int(np.isnan(permuted_P).sum())
    as_large = int((np.abs(permuted_P) >= abs(difference) - _TIE).sum()) + undefined
    extra = 0 if permuted.exact else 1  # The deal that happened is one of them.
    how = "swapped within pairs" if permuted.paired else "permuted between arms"
    which = "all permutations" if permuted.exact else "random permutations"
    return {
        "p_two_sided": (as_large + extra) / (len(permuted_P) + extra),
        "permutations": len(permuted_P),
        "exact": permuted.exact,
        "undefined_permutations": undefined,
        "method": f"images {how}, raters kept, {which}",
    }


def _all_deals(n: int, n_first: int, of_deals: Iterable[range]) -> Iterator[Floats]:
    deals = combinations(range(n), n_first)
    for rows in of_deals:
        chosen = np.array(list(islice(deals, len(rows))), dtype=np.int64)
        times_BU = np.zeros((len(rows), n))
        np.put_along_axis(times_BU, chosen, 1.0, axis=1)
        yield times_BU


def _random_deals(
    counts_U: Ints, n_first: int, of_deals: Iterable[range], random: np.random.Generator
) -> Iterator[Floats]:
    for rows in of_deals:
        dealt = random.multivariate_hypergeometric(counts_U, n_first, size=len(rows))
        yield dealt.astype(np.float64)


def _swaps(
    n: int, of_deals: Iterable[range], random: np.random.Generator | None
) -> Iterator[Floats]:
    """Who of n pairs stays (the first n columns) or comes (the others): random, or all ways."""
    for rows in of_deals:
        if random is None:
            swapped_BI = (np.array(rows)[:, None] >> np.arange(n)) & 1
        else:
            swapped_BI = random.integers(0, 2, (len(rows), n))
        yield np.concatenate([1.0 - swapped_BI, swapped_BI], axis=1)
