"""How far two distributions of a number of tiles lie apart, with an interval and a floor.

The distance is Wasserstein's first: the mean way that one distribution must be moved to become the
other, in the number's own unit. It is never negative, so that of two equal populations it is above
zero, too: what real patients have among themselves is the floor.

Its bootstrap is of no use near zero, where the distance is not smooth: percentile intervals of 95 %
fell to 80 to 90 % at small distances and never held one of 0. But the distance is off by no more
than the area of F - G, measured minus true (the triangle inequality), and that area's bootstrap is
sound. Intervals are made of it; benchmarks/stain.py says how often they hold the truth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
from numpy.typing import NDArray

from eval.statistics.bootstrap import keyed_random
from eval.statistics.interval import ALIKE
from eval.statistics.result import Number
from hpc.randomness import key_of, permutation

Floats = NDArray[np.float64]

LEVEL = 0.95
REPLICATES = 1000
SPLITS = 20
_INTERVAL = (
    "value -/+ the 95th percentile of how far the difference of the distributions is moved by "
    "drawing {} again, {} replicates, not below 0"
)
_FEWEST = 2
# Narrower reaches are the rounding of a width of zero.
_ROUNDING = 1e-12


@dataclass(frozen=True, kw_only=True, eq=False)
class Values:
    """A number of N tiles and whose they are; `unit` is what is drawn: patients, or label maps."""

    values_N: Floats
    groups: Sequence[str]
    unit: str = "patients"

    def known(self) -> Values:
        """Those that are no NaN."""
        kept_N = np.isfinite(self.values_N)
        groups = [group for group, keep in zip(self.groups, kept_N, strict=True) if keep]
        return Values(values_N=self.values_N[kept_N], groups=groups, unit=self.unit)


def distance_number(
    name: str, real: Values, synthetic: Values, method: str, *, seed: int = 0
) -> Number:
    """The distance; undefined from fewer than two tiles of a side."""
    real, synthetic = real.known(), synthetic.known()
    n = min(len(real.values_N), len(synthetic.values_N))
    if n < _FEWEST:
        reason = f"fewer than {_FEWEST} of a side have enough of it"
        return Number(name=name, value=None, n=n, method=method, reason=reason)
    both = np.concatenate([real.values_N, synthetic.values_N])
    is_real_N = np.arange(len(both)) < len(real.values_N)
    value = _distance(both, is_real_N)
    interval, note = _interval(name, real, synthetic, both, is_real_N, seed)
    return Number(
        name=name,
        value=value,
        n=n,
        method=method,
        interval=interval,
        interval_level=LEVEL if interval else None,
        interval_method=_INTERVAL.format(real.unit, REPLICATES) if interval else None,
        details={
            "real": float(real.values_N.mean()),
            "synthetic": float(synthetic.values_N.mean()),
            "real_standard_deviation": float(real.values_N.std()),
            "synthetic_standard_deviation": float(synthetic.values_N.std()),
            "n": {"real": len(real.values_N), "synthetic": len(synthetic.values_N)},
            "groups": {"real": len(set(real.groups)), "synthetic": len(set(synthetic.groups))},
            "floor": floor_of(real, seed=seed),
            "interval_note": note,
        },
    )


def floor_of(real: Values, *, seed: int = 0) -> dict[str, object] | None:
    """The distance between halves of the real tiles, patients whole; None without two of them."""
    names, group_N = np.unique(np.array(real.groups), return_inverse=True)
    if len(names) < 2:
        return None
    found = []
    for split in range(SPLITS):
        order = permutation(key_of(seed, "stain floor", split), len(names))
        first_N = np.isin(group_N, order[: len(names) // 2])
        found.append(_distance(real.values_N, first_N))
    return {"value": median(found), "range": (min(found), max(found)), "splits": SPLITS,
            "groups": len(names)}  # fmt: skip


def _interval(
    name: str,
    real: Values,
    synthetic: Values,
    both_N: Floats,
    is_real_N: NDArray[np.bool_],
    seed: int,
) -> tuple[tuple[float, float] | None, str | None]:
    """What is drawn are whole groups, on both sides at once where a group has tiles on both."""
    names, group_N = np.unique(np.array([*real.groups, *synthetic.groups]), return_inverse=True)
    fewest = min(len(set(real.groups)), len(set(synthetic.groups)))
    if fewest < 2:
        return None, f"no interval from a single one of the {real.unit}"
    random = keyed_random((seed, key_of(0, name) % 2**32))
    drawn_BG = random.multinomial(len(names), np.full(len(names), 1 / len(names)), REPLICATES)
    difference_N, gaps = _difference(both_N, is_real_N, np.ones((1, len(both_N))))
    differences_BN, _ = _difference(both_N, is_real_N, drawn_BG[:, group_N].astype(np.float64))
    moved_B = np.abs(differences_BN - difference_N) @ gaps
    # A bootstrap of few groups varies too little.
    reach = float(np.nanquantile(moved_B, LEVEL)) * (fewest / (fewest - 1)) ** 0.5
    value = float((np.abs(difference_N) @ gaps)[0])
    if reach <= _ROUNDING:
        return None, ALIKE
    return (max(value - reach, 0.0), value + reach), None


def _distance(values_N: Floats, first_N: NDArray[np.bool_]) -> float:
    """The area between the cumulative distributions of the values of the first kind and the others.

    Vallender, Theory Probab. Appl. 1974;18:784.
    """
    difference_N, gaps = _difference(values_N, first_N, np.ones((1, len(values_N))))
    return float((np.abs(difference_N) @ gaps)[0])


def _difference(
    values_N: Floats, first_N: NDArray[np.bool_], weights_BN: Floats
) -> tuple[Floats, Floats]:
    """F - G (B, N - 1) from each value to the next, so weighted, and how far it is to the next."""
    order = np.argsort(values_N, kind="stable")
    shares = []
    with np.errstate(invalid="ignore"):
        for kind in (first_N, ~first_N):
            weights = weights_BN[:, order] * kind[order]
            shares.append(np.cumsum(weights, axis=1) / weights.sum(axis=1, keepdims=True))
    return (shares[0] - shares[1])[:, :-1], np.diff(values_N[order])
