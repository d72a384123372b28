"""How often each map is drawn, so that rare classes come more often."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from hpc.errors import InputError

# Of the way from the usual mean to the largest share of a class; beyond, one map is nearly all.
_FARTHEST = 0.9
_ROUNDS, _HALVINGS = 20, 60
_STEEPEST = 1e4


def source_weights(
    shares_NK: np.ndarray,
    boost: Mapping[int, float],
    names: Sequence[str],
    kinds: Collection[int] = (),
) -> np.ndarray:
    """Probabilities (N,) of drawing each map: the mean share of each class is `boost` times usual.

    Of all such probabilities these are nearest to equal ones (exponential tilting). Of `kinds`,
    whose objects can be put in, it is as much of that as maps can have. Raises InputError, which
    calls the classes by their `names`, if no draw has so much of another one.
    """
    wanted = {}
    for index, factor in boost.items():
        usual, most = shares_NK[:, index].mean(), shares_NK[:, index].max()
        reach = max(usual + _FARTHEST * (most - usual), usual)
        if (factor * usual > reach and index not in kinds) or not usual:
            times = f"{reach / usual:.2f}" if usual else "0"
            raise InputError(
                f"No choice among these maps has so much of {names[index]}: at most {times} "
                "times as much as they have. Ask for less."
            )
        wanted[index] = min(factor * usual, reach)
    tilts = dict.fromkeys(wanted, 0.0)
    for _ in range(_ROUNDS if len(wanted) > 1 else 1):
        for index, target in wanted.items():
            tilts[index] = _tilt(shares_NK, tilts, index, target)
    return _tilted(shares_NK, tilts)


def objects_to_add(
    shares_NK: np.ndarray, weights_N: np.ndarray, boost: Mapping[int, float]
) -> dict[int, float]:
    """What the choice of maps leaves to do: the share of its objects to put in, by class."""
    usual_K, drawn_K = shares_NK.mean(axis=0), weights_N @ shares_NK
    return {
        index: max(float(factor * usual_K[index] / drawn_K[index]) - 1.0, 0.0)
        for index, factor in boost.items()
    }


def _tilt(shares_NK: np.ndarray, tilts: Mapping[int, float], index: int, target: float) -> float:
    """The tilt of one class, the others given, by bisection."""
    low, high = -_STEEPEST, _STEEPEST
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        weights_N = _tilted(shares_NK, {**tilts, index: middle})
        if weights_N @ shares_NK[:, index] < target:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _tilted(shares_NK: np.ndarray, tilts: Mapping[int, float]) -> np.ndarray:
    exponents_N = np.zeros(len(shares_NK))
    for index, tilt in tilts.items():
        exponents_N += tilt * shares_NK[:, index]
    weights_N = np.exp(exponents_N - exponents_N.max())
    return np.asarray(weights_N / weights_N.sum())
