"""One agreement statistic of ratings in memory, by its name, for scripts and notebooks.

number = agreement_of([[1, 1], [2, None], [2, 3]], "cohen_kappa", categories=[1, 2, 3],
                      weights="linear")
number.value, number.reason, number.interval, number.interval_method
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Literal

import numpy as np

from eval.agreement.coefficients.null_hypothesis import null_test
from eval.agreement.coefficients.sample import MISSING, Sample
from eval.agreement.coefficients.statistics import Statistic, measure, statistic_of
from eval.statistics.arrays import Ints
from eval.statistics.result import Number
from hpc.errors import InputError

Rating = str | int | float | None


def agreement_of(
    ratings: Sequence[Sequence[Rating]],
    statistic: str,
    *,
    scale: Sequence[str | int | float],
    categories: Literal["declared", "observed"] = "declared",
    interval_level: float = 0.95,
    **options: Any,
) -> Number:
    """A statistic of `ratings`: one row an image, one column a rater, None or NaN if missing.

    `scale` lists the categories in their order. `categories`: "declared" keeps those that nobody
    used, "observed" leaves them out, which changes weighted statistics. `options` are those of
    `statistics.statistic_of`: weights, matrix, level, model. Raters without any rating are left
    out. The interval is by formula; `details["by_formula"]` has all that are known,
    `details["null_test"]` the test of chance agreement, where there is one. Raises InputError for a
    rating outside the scale, rows of unequal length, and options that there aren't.
    """
    if categories not in ("declared", "observed"):
        raise InputError(f"categories is {categories!r}, not 'declared' or 'observed'.")
    cells = [[None if rating != rating else rating for rating in row] for row in ratings]
    used = {rating for row in cells for rating in row}
    kept = [each for each in scale if categories == "declared" or each in used]
    sample = Sample.observed(_codes(cells, kept), len(kept))
    rating_raters = np.flatnonzero((sample.codes_IR != MISSING).any(axis=0))
    return number_of(
        statistic_of(statistic, kept, **options),
        sample.of_raters(tuple(rating_raters.tolist())),
        interval_level=interval_level,
    )


def number_of(statistic: Statistic, sample: Sample, *, interval_level: float) -> Number:
    """The value of a statistic with its interval by formula, or the reason why it has none."""
    value, reason = measure(statistic, sample)
    found = [] if value is None else statistic.by_formula(sample, interval_level)
    interval = found[0] if found else None
    return Number(
        name=statistic.name,
        value=value,
        n=int(sample.comparable[0]),
        method=statistic.method,
        interval=interval.interval if interval else None,
        interval_level=interval.level if interval and interval.interval else None,
        interval_method=interval.method if interval and interval.interval else None,
        reason=reason,
        details={
            "by_formula": [asdict(each) for each in found],
            "null_test": _null_test(statistic, sample, value),
        },
    )


def _null_test(statistic: Statistic, sample: Sample, value: float | None) -> dict[str, Any] | None:
    if value is None or statistic.null_error is None:
        return None
    return null_test(value, statistic.null_error(sample), statistic.null_method)


def _codes(ratings: Sequence[Sequence[Rating]], scale: Sequence[str | int | float]) -> Ints:
    index = {category: code for code, category in enumerate(scale)}
    if len(index) != len(scale):
        raise InputError(f"scale: {list(scale)} lists a category twice. List each once.")
    widths = {len(row) for row in ratings}
    if len(widths) > 1:
        raise InputError(f"ratings: rows have {min(widths)} to {max(widths)} cells. Use None.")
    codes_IR = np.full((len(ratings), max(widths, default=0)), MISSING, dtype=np.int64)
    for row, cells in enumerate(ratings):
        for column, rating in enumerate(cells):
            if rating is None:
                continue
            if rating not in index:
                raise InputError(
                    f"ratings, row {row + 1}, column {column + 1}: {rating!r} is none of the "
                    f"categories {list(scale)}. Correct it or declare the category."
                )
            codes_IR[row, column] = index[rating]
    return codes_IR
