"""Helpers for arrays of numbers: types, safe ratios, checks."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.typing import ArrayLike, NDArray

from hpc.errors import InputError

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def ratio(top: Floats, bottom: Floats, *, undefined: float = np.nan) -> Floats:
    """`top` / `bottom`, but `undefined` where `bottom` is zero or NaN. Both are non-negative."""
    top, bottom = np.broadcast_arrays(top, bottom)
    return np.divide(top, bottom, out=np.full(top.shape, undefined), where=bottom > 0)


def real_numbers(values: ArrayLike, what: str) -> NDArray[Any]:
    """`values` as an array; InputError, calling it `what`, if they are no real, finite numbers.

    NumPy would take a complex number for its real part, and a text for the number that it spells.
    """
    array = np.asarray(values)
    if array.dtype.kind not in "fiu":
        raise InputError(f"{what} holds {array.dtype.name} values, not real numbers.")
    if array.dtype.itemsize > np.dtype(np.float64).itemsize:
        with np.errstate(over="ignore"):
            array = array.astype(np.float64)
    if not np.isfinite(array).all():
        raise InputError(f"{what} holds values that are not finite.")
    return array
