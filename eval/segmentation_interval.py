"""Intervals of segmentation scores: a number without one says why, as agreement's numbers do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from eval.bootstrap import FEW_DRAWN, percentile_interval
from eval.pixel_scores import Floats
from eval.result import Number

INTERVAL_LEVEL = 0.95
# Scores lie between 0 and 1: two that differ by less differ by the order of summing only.
_ROUNDING = 1e-12


def with_interval(number: Number, replicates_B: Floats, *, over: str, single: str | None) -> Number:
    """The number with the percentile interval of its replicates, and what to know of them.

    `over` says how they were drawn, `single` names the unit if there is only one to draw: it is
    always itself, and an interval of width zero would claim certainty. `details` then say why there
    is none, and how many replicates were undefined (NaN), which the interval leaves out.
    """
    undefined = int(np.isnan(replicates_B).sum())
    interval, notes = None, []
    if number.value is not None and single is not None:
        notes.append(f"no interval from a single {single}")
    elif number.value is not None:
        interval = percentile_interval(replicates_B, INTERVAL_LEVEL)
        if interval is not None and interval[1] - interval[0] <= _ROUNDING:
            notes.append("all replicates alike, so no interval")
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
