"""How much two categories disagree: the weights of the literature, as disagreements in [0, 1].

Each function takes the scores (K,) of the categories in their declared order. By default these are
their positions, evenly spaced; a category that nobody used keeps its place. "ratio" needs numbers.
Formulas: Cohen 1968; Gwet 2014, Handbook of Inter-Rater Reliability, 4th edition, chapter 3.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from types import MappingProxyType

import numpy as np

from eval.statistics.arrays import Floats, ratio
from hpc.errors import InputError


def _apart(scores_K: Floats) -> Floats:
    return np.abs(scores_K[:, None] - scores_K[None, :])


def _scaled(distance_KK: Floats) -> Floats:
    """The largest distance becomes 1; a scale of one category has none."""
    largest = distance_KK.max(initial=0.0)
    return distance_KK / largest if largest else distance_KK


def _none(scores_K: Floats) -> Floats:
    return 1 - np.eye(len(scores_K))


def _linear(scores_K: Floats) -> Floats:
    return _scaled(_apart(scores_K))


def _quadratic(scores_K: Floats) -> Floats:
    return _scaled(_apart(scores_K)) ** 2


def _radical(scores_K: Floats) -> Floats:
    return np.sqrt(_scaled(_apart(scores_K)))


def _ordinal(scores_K: Floats) -> Floats:
    # Of categories k and l: C(m, 2) of the m categories from k to l.
    places_K = np.arange(len(scores_K), dtype=np.float64)
    return _scaled(_apart(places_K) * (_apart(places_K) + 1))


def _circular(scores_K: Floats) -> Floats:
    # The categories lie on a circle, as directions do: the last is next to the first.
    angle_KK = np.pi * _apart(scores_K) / (np.ptp(scores_K) + 1)
    return _scaled(np.sin(angle_KK) ** 2)


def _bipolar(scores_K: Floats) -> Floats:
    # A step counts more near either end of the scale than in its middle.
    sums_KK = scores_K[:, None] + scores_K[None, :]
    room_KK = (sums_KK - 2 * scores_K.min()) * (2 * scores_K.max() - sums_KK)
    return _scaled(ratio(_apart(scores_K) ** 2, room_KK, undefined=0.0))


def ratio_difference(values_K: Floats) -> Floats:
    """Squared difference over squared sum, 0 between two zeros: (K, K) in [0, 1].

    Krippendorff's ratio difference. `values_K` must not be negative.
    """
    sums_KK = values_K[:, None] + values_K[None, :]
    return ratio(_apart(values_K), sums_KK, undefined=0.0) ** 2


def _ratio(values_K: Floats) -> Floats:
    return _scaled(ratio_difference(values_K))


# What scores each takes: the positions of the categories, or the numbers that they are.
BY_POSITION: MappingProxyType[str, Callable[[Floats], Floats]] = MappingProxyType(
    {
        "none": _none,
        "linear": _linear,
        "quadratic": _quadratic,
        "ordinal": _ordinal,
        "radical": _radical,
        "circular": _circular,
        "bipolar": _bipolar,
    }
)
BY_VALUE: MappingProxyType[str, Callable[[Floats], Floats]] = MappingProxyType({"ratio": _ratio})
_ALSO_CALLED = MappingProxyType(
    {"identity": "none", "unweighted": "none", "equal": "linear", "squared": "quadratic"}
)
MATRICES = ("disagreement_matrix", "agreement_matrix")


def disagreements(weights: str, n_categories: int) -> Floats:
    """The disagreement (K, K) of categories by their positions. InputError for another name."""
    name = weight_name(weights)
    if name not in BY_POSITION:
        raise InputError(
            f"weights {weights!r} need the values of the categories or a matrix. "
            f"By position there are {', '.join(BY_POSITION)}."
        )
    return _by_position(name, n_categories)


# Most statistics of a report share theirs, and of a scale from 0 to 1000 each is 8 MB.
@lru_cache(maxsize=4)
def _by_position(name: str, n_categories: int) -> Floats:
    disagreement_KK = BY_POSITION[name](np.arange(n_categories, dtype=np.float64))
    disagreement_KK.setflags(write=False)
    return disagreement_KK


def weight_name(weights: str) -> str:
    """What the weights are called here. InputError if nobody calls them so."""
    name = _ALSO_CALLED.get(weights, weights)
    if name not in {*BY_POSITION, *BY_VALUE, *MATRICES}:
        known = ", ".join([*BY_POSITION, *BY_VALUE, *MATRICES])
        raise InputError(f"There are no weights {weights!r}. Choose one of {known}.")
    return name


def matrix_disagreements(
    kind: str, matrix: Sequence[Sequence[float]] | None, n_categories: int
) -> Floats:
    """The disagreement (K, K) from a matrix of `kind` (one of `MATRICES`).

    Raises InputError unless it is K by K, finite and says that each category agrees with itself.
    """
    given_KK = np.array([] if matrix is None else matrix, dtype=np.float64)
    if given_KK.shape != (n_categories, n_categories) or not np.isfinite(given_KK).all():
        raise InputError(
            f"weights {kind!r} need a matrix of {n_categories} x {n_categories} numbers, "
            f"not one of shape {given_KK.shape}."
        )
    disagreement_KK = given_KK if kind == "disagreement_matrix" else 1 - given_KK
    if np.diag(disagreement_KK).any() or (disagreement_KK < 0).any():
        raise InputError(
            f"weights {kind!r}: every category must agree with itself wholly, and no two more. "
            "On the diagonal, disagreement is 0 and agreement 1."
        )
    return disagreement_KK


def values_of(categories: Sequence[str | float]) -> Floats | None:
    """The categories as numbers (K,), or None if one of them is no finite number."""
    try:
        values_K = np.array([float(category) for category in categories])
    except ValueError:
        return None
    return values_K if np.isfinite(values_K).all() else None
