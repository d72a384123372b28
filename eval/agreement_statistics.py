"""The agreement statistics that are reported: name, weights, source, why they can be undefined.

The coefficients themselves are in `eval.agreement`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np

from eval.agreement import (
    DISAGREEMENTS,
    brennan_prediger,
    cohen_kappa,
    conger_kappa,
    fleiss_kappa,
    gwet_ac,
    krippendorff_alpha,
    krippendorff_alpha_ordinal,
    light_kappa,
    percent_agreement,
)
from eval.rating_sample import Floats, Sample

_NOT_COMPARABLE = "no image has ratings of two raters"
_ONE_CATEGORY = "0/0: all ratings compared are in one category, so agreement by chance is certain"
_NOT_NUMBERS = "the interval level needs categories that are numbers"


class Coefficient(Protocol):
    """A function of `eval.agreement` that weighs disagreements by a matrix (K, K)."""

    def __call__(self, sample: Sample, disagreement_KK: Floats) -> Floats:
        """(B,) values."""


@dataclass(frozen=True, kw_only=True)
class Statistic:
    """A named coefficient: `values` maps a sample to (B,) values, NaN where undefined.

    `undefined` says why it can be undefined although two raters rated the same image.
    """

    name: str
    method: str
    values: Callable[[Sample], Floats]
    undefined: str = _ONE_CATEGORY


_Row = tuple[str, Coefficient, str, str]

# name, function, weights, method
_COEFFICIENTS: tuple[_Row, ...] = (
    ("percent_agreement", percent_agreement, "none", "mean over images"),
    ("light_kappa", light_kappa, "none", "Light 1971"),
    ("light_kappa", light_kappa, "linear", "Light 1971"),
    ("light_kappa", light_kappa, "quadratic", "Light 1971"),
    ("fleiss_kappa", fleiss_kappa, "none", "Fleiss 1971"),
    ("conger_kappa", conger_kappa, "none", "Conger 1980"),
    ("gwet_ac1", gwet_ac, "none", "Gwet 2008"),
    ("gwet_ac2", gwet_ac, "ordinal", "Gwet 2014"),
    ("gwet_ac2", gwet_ac, "quadratic", "Gwet 2014"),
    ("brennan_prediger", brennan_prediger, "none", "Brennan & Prediger 1981"),
    ("krippendorff_alpha_nominal", krippendorff_alpha, "none", "Krippendorff 2011"),
)
_PAIR_COEFFICIENTS: tuple[_Row, ...] = (
    ("cohen_kappa", cohen_kappa, "none", "Cohen 1960"),
    ("cohen_kappa", cohen_kappa, "linear", "Cohen 1968"),
    ("cohen_kappa", cohen_kappa, "quadratic", "Cohen 1968"),
)
_REASONS = {
    "light_kappa": "a pair of raters has no image in common, or used one and the same category only"
}


def group_statistics(categories: tuple[str, ...]) -> tuple[Statistic, ...]:
    """What compares any number of raters, for a scale of `categories` in their order."""
    ordinal = Statistic(
        name="krippendorff_alpha_ordinal",
        method="Krippendorff 2011",
        values=krippendorff_alpha_ordinal,
    )
    return (*_statistics(_COEFFICIENTS, len(categories)), ordinal, _interval_alpha(categories))


def pair_statistics(categories: tuple[str, ...]) -> tuple[Statistic, ...]:
    """What compares two raters, for a scale of `categories` in their order."""
    return _statistics(_PAIR_COEFFICIENTS, len(categories))


def measure(statistic: Statistic, sample: Sample) -> tuple[float | None, str | None]:
    """The value of the first replicate; or None, and the reason why it is undefined."""
    value = float(statistic.values(sample)[0])
    if not np.isnan(value):
        return value, None
    return None, statistic.undefined if sample.comparable[0] else _NOT_COMPARABLE


def _statistics(table: tuple[_Row, ...], n_categories: int) -> tuple[Statistic, ...]:
    return tuple(
        Statistic(
            name=name if weights == "none" else f"{name}_{weights}",
            method=method,
            values=_with(function, DISAGREEMENTS[weights](n_categories)),
            undefined=_REASONS.get(name, _ONE_CATEGORY),
        )
        for name, function, weights, method in table
    )


def _interval_alpha(categories: tuple[str, ...]) -> Statistic:
    squares_KK = _squared_differences(categories)
    return Statistic(
        name="krippendorff_alpha_interval",
        method="Krippendorff 2011",
        values=_undefined if squares_KK is None else _with(krippendorff_alpha, squares_KK),
        undefined=_ONE_CATEGORY if squares_KK is not None else _NOT_NUMBERS,
    )


def _squared_differences(categories: tuple[str, ...]) -> Floats | None:
    try:
        values_K = np.array([float(category) for category in categories])
    except ValueError:
        return None
    return (values_K[:, None] - values_K[None, :]) ** 2 if np.isfinite(values_K).all() else None


def _with(coefficient: Coefficient, disagreement_KK: Floats) -> Callable[[Sample], Floats]:
    return partial(coefficient, disagreement_KK=disagreement_KK)


def _undefined(sample: Sample) -> Floats:
    return np.full(sample.replicates, np.nan)
