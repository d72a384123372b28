"""Test of the difference of two independent κ by their standard errors.

Fleiss, Levin & Paik, Statistical Methods for Rates and Proportions, 3rd edition 2003, section 18.1:
the difference over the root of the sum of the squared standard errors is a standard normal z. The
errors are those that do not suppose chance agreement: Fleiss, Cohen & Everitt 1969 for Cohen's κ.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

from eval.statistics.interval import INTERVAL_LEVEL
from eval.statistics.result import Number
from hpc.errors import InputError

_METHOD = "Fleiss, Levin & Paik 2003, 18.1"


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The first κ minus the second: z and two-sided p of no difference, interval at `level`."""

    difference: float
    standard_error: float
    z: float
    p_two_sided: float
    interval: tuple[float, float]
    level: float


def compare_kappas(
    first: tuple[float, float], second: tuple[float, float], level: float = INTERVAL_LEVEL
) -> Comparison:
    """Compare two κ, each given with its standard error, that come from different images.

    Raises InputError unless both errors are above 0: a κ without error (readers who agree
    everywhere) cannot be compared by formula.
    """
    (value, error), (other, other_error) = first, second
    if not (0 < error < math.inf and 0 < other_error < math.inf):
        raise InputError(
            f"Standard errors of {error:g} and {other_error:g}: both must be above 0. Compare by "
            "bootstrap instead."
        )
    together = math.hypot(error, other_error)
    difference = value - other
    z = difference / together
    reach = NormalDist().inv_cdf((1 + level) / 2) * together
    return Comparison(
        difference=difference,
        standard_error=together,
        z=z,
        p_two_sided=2 * NormalDist().cdf(-abs(z)),
        interval=(difference - reach, difference + reach),
        level=level,
    )


def independent_kappas(
    real: Sequence[Sequence[Number]], synthetic: Sequence[Sequence[Number]]
) -> list[dict[str, Any]]:
    """A row for each statistic of all raters, and of each pair, that both arms have with an error.

    Each side holds the numbers of all raters, and then those of each pair. Pairs are compared by
    their names, or if either side has a single one.
    """
    rows = []
    for one, other in _counterparts(real, synthetic):
        errors = [_error_of(number) for number in (one, other)]
        if one.value is None or other.value is None or None in errors:
            continue
        found = compare_kappas(
            (one.value, float(errors[0] or 0)), (other.value, float(errors[1] or 0))
        )
        rows.append(
            {
                "statistic": one.name,
                "compared": one.details["compared"],
                "raters": {"real": one.details["raters"], "synthetic": other.details["raters"]},
                "values": {"real": one.value, "synthetic": other.value},
                "images": {"real": one.n, "synthetic": other.n},
                "difference": found.difference,
                "standard_error": found.standard_error,
                "z": found.z,
                "p_two_sided": found.p_two_sided,
                "interval": found.interval,
                "interval_level": found.level,
                "method": f"{_METHOD}; errors: {one.details['by_formula'][0]['method']}",
            }
        )
    return rows


def _counterparts(
    real: Sequence[Sequence[Number]], synthetic: Sequence[Sequence[Number]]
) -> Iterator[tuple[Number, Number]]:
    """The same statistics of the same raters; of two pairs alone, whoever they are."""
    yield from zip(real[0], synthetic[0], strict=True)
    if len(real) == len(synthetic) == 2:
        yield from zip(real[1], synthetic[1], strict=True)
        return
    of_raters = {tuple(numbers[0].details["raters"]): numbers for numbers in synthetic[1:]}
    for numbers in real[1:]:
        others = of_raters.get(tuple(numbers[0].details["raters"]))
        if others is not None:
            yield from zip(numbers, others, strict=True)


def _error_of(number: Number) -> float | None:
    """The standard error by formula, None without one, or if it is 0."""
    found = number.details["by_formula"]
    return (found[0]["standard_error"] or None) if found else None
