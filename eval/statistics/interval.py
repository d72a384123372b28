"""The bootstrap interval of a number, or why it has none."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from eval.statistics.arrays import Floats
from eval.statistics.bootstrap import FEW_DRAWN, percentile_interval
from eval.statistics.result import Number

INTERVAL_LEVEL = 0.95
# Why a number that could be drawn has no interval: width zero would claim certainty.
ALIKE = "all replicates alike, so no interval"
# What the order of sums leaves of a difference between equal replicates. It is more than the last
# digit in an intraclass correlation of scores that are large and hardly differ.
_ROUNDING = 1e-9


def with_interval(number: Number, replicates_B: Floats, *, over: str, single: str | None) -> Number:
    """The number with the percentile interval of its replicates, and what to know of them.

    `over` says how they were drawn. `single` names what there is only one of, if so: drawn again it
    is always itself, and an interval of width zero would claim certainty. Undefined replicates
    (NaN) are left out of the interval and counted; the details hold their number, and a note.
    """
    undefined = int(np.isnan(replicates_B).sum())
    interval, notes = None, []
    if single is not None:
        notes.append(f"no interval from a single {single}")
    elif number.value is not None:
        interval = percentile_interval(replicates_B, INTERVAL_LEVEL)
        if interval is not None and math.isclose(*interval, rel_tol=_ROUNDING, abs_tol=_ROUNDING):
            notes.append(ALIKE)
            interval = None
        if undefined:
            notes.append(f"undefined in {undefined} of {len(replicates_B)} replicates")
    return replace(
        number,
        interval=interval,
        interval_level=INTERVAL_LEVEL if interval else None,
        interval_method=over if interval else None,
        details=number.details
        | {
            "replicates": len(replicates_B),
            "undefined_replicates": undefined,
            "interval_note": "; ".join(notes) or None,
        },
    )


def few_drawn(tiles: str, units: int, unit: str) -> str | None:
    """What to beware of where few patients, or label maps, stand for all; None if they do not."""
    if units >= FEW_DRAWN:
        return None
    return (
        f"{tiles.capitalize()} tiles: intervals from fewer than {FEW_DRAWN} {unit}s ({units}) tend "
        "to be too narrow."
    )


@dataclass(frozen=True, kw_only=True)
class FormulaInterval:
    """An interval that a formula gives, and the standard error behind it if there is one.

    A standard error of zero (readers who agree everywhere) gives no interval: it would claim
    certainty.
    """

    method: str
    interval: tuple[float, float] | None
    level: float
    standard_error: float | None = None
