"""Agreement statistics by name and options, and their values for a sample.

A family (see `registry.py`) and its options (weights, Krippendorff's level, the model of an
intraclass correlation) make a `Statistic`, for a scale of categories.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from eval.agreement.coefficients.chance_corrected import (
    cohen_kappa,
    fleiss_kappa,
    krippendorff_alpha,
    krippendorff_alpha_ordinal,
)
from eval.agreement.coefficients.icc import ALSO_CALLED, MODELS, icc
from eval.agreement.coefficients.null_hypothesis import (
    NullError,
    cohen_null_error,
    fleiss_null_error,
)
from eval.agreement.coefficients.registry import FAMILIES, GROUP, LEVELS, ONE_CATEGORY, PAIR, Family
from eval.agreement.coefficients.sample import Sample
from eval.agreement.coefficients.variance import FORMULAS, icc_interval, influence_of
from eval.agreement.coefficients.weights import (
    BY_POSITION,
    BY_VALUE,
    disagreements,
    matrix_disagreements,
    ratio_difference,
    values_of,
    weight_name,
)
from eval.statistics.arrays import Floats
from eval.statistics.interval import FormulaInterval
from hpc.errors import InputError

_NOT_COMPARABLE = "no image has ratings of two raters"
_NOT_NUMBERS = "{} needs categories that are numbers"
_NEGATIVE = "{} needs categories that are numbers from zero up"
_ICC = (
    "fewer than two images rated by all raters, or images that do not differ more than the "
    "ratings of one image do, so the estimated variance is not positive"
)

Values = Callable[[Sample], Floats]


@dataclass(frozen=True, kw_only=True)
class Statistic:
    """A named coefficient: `values` maps a sample to (B,) values, NaN where undefined.

    `undefined` says why it can be undefined although two raters rated the same image. `by_formula`
    are intervals of one sample at a level; `null_error` is the standard error by chance alone.
    `raters`: how many it compares, if that is fixed. `resamples_raters`: whether it has a meaning
    when a rater is counted twice.
    """

    name: str
    method: str
    values: Values
    undefined: str = ONE_CATEGORY
    by_formula: Callable[[Sample, float], list[FormulaInterval]] = lambda sample, level: []
    null_error: NullError | None = None
    null_method: str = ""
    raters: int | None = None
    resamples_raters: bool = True


def group_statistics(categories: Sequence[str]) -> tuple[Statistic, ...]:
    """What compares any number of raters, for a scale of `categories` in their order."""
    return tuple(statistic_of(name, categories, **options) for name, options in GROUP)


def pair_statistics(categories: Sequence[str]) -> tuple[Statistic, ...]:
    """What compares two raters, for a scale of `categories` in their order."""
    return tuple(statistic_of(name, categories, **options) for name, options in PAIR)


def statistic_of(
    name: str,
    categories: Sequence[str | float],
    *,
    weights: str | None = None,
    matrix: Sequence[Sequence[float]] | None = None,
    level: str | None = None,
    model: str | None = None,
) -> Statistic:
    """The statistic `name` (a key of `FAMILIES`, or "icc") for a scale in its declared order.

    `weights`: a name of `eval.agreement.coefficients.weights`, or the kind of `matrix`; `level`: of
    Krippendorff's alpha; `model`: of the intraclass correlation. InputError for what there isn't.
    """
    if name == "icc":
        return _icc(model or "", categories)
    if name not in FAMILIES:
        raise InputError(
            f"There is no statistic {name!r}. Choose one of {', '.join([*FAMILIES, 'icc'])}."
        )
    if name == "krippendorff_alpha" and weights is None:
        return _krippendorff(level or "nominal", categories)
    family = FAMILIES[name]
    given = weight_name(weights or family.default_weights)
    if given in BY_VALUE:
        return _of_values(name, family, given, categories)
    disagreement_KK = (
        disagreements(given, len(categories))
        if given in BY_POSITION
        else matrix_disagreements(given, matrix, len(categories))
    )
    return _weighted(name, family, given, disagreement_KK)


def measure(statistic: Statistic, sample: Sample) -> tuple[float | None, str | None]:
    """The value of the first replicate; or None, and the reason why it is undefined."""
    if not sample.comparable[0]:
        return None, _NOT_COMPARABLE
    raters = sample.codes_IR.shape[1]
    if statistic.raters not in (None, raters):
        return None, f"it compares {statistic.raters} raters, and there are {raters}"
    value = float(statistic.values(sample)[0])
    return (None, statistic.undefined) if np.isnan(value) else (value, None)


def _weighted(name: str, family: Family, weights: str, disagreement_KK: Floats) -> Statistic:
    values = partial(family.coefficient, disagreement_KK=disagreement_KK)
    plain = weights == "none"
    statistic = Statistic(
        name=name if weights == family.default_weights else f"{name}_{weights}",
        method=family.source if plain else family.weighted_source or family.source,
        values=values,
        undefined=family.undefined,
        by_formula=partial(
            _by_formula,
            values,
            _linear_form(values),
            family.formulas,
            partial(family.lowest, disagreement_KK=disagreement_KK, weights=weights),
        ),
        raters=family.raters,
    )
    if family.coefficient is cohen_kappa:
        error: NullError = partial(cohen_null_error, disagreement_KK=disagreement_KK)
        return replace(statistic, null_error=error, null_method="Fleiss, Cohen & Everitt 1969")
    if family.coefficient is fleiss_kappa and plain:
        return replace(
            statistic, null_error=fleiss_null_error, null_method="Fleiss, Nee & Landis 1979"
        )
    return statistic


def _of_values(
    name: str, family: Family, weights: str, categories: Sequence[str | float]
) -> Statistic:
    numbers_K = values_of(categories)
    if numbers_K is None or (numbers_K < 0).any():
        return _never(f"{name}_{weights}", family.source, _NEGATIVE.format(f"weights {weights!r}"))
    return _weighted(name, family, weights, BY_VALUE[weights](numbers_K))


def _krippendorff(level: str, categories: Sequence[str | float]) -> Statistic:
    if level not in LEVELS:
        raise InputError(f"There is no level {level!r}. Choose one of {', '.join(LEVELS)}.")
    family = FAMILIES["krippendorff_alpha"]
    name = f"krippendorff_alpha_{level}"
    numbers_K = values_of(categories)
    if level == "nominal":
        difference_KK = disagreements("none", len(categories))
    elif level == "ordinal":
        return Statistic(
            name=name,
            method=family.source,
            values=krippendorff_alpha_ordinal,
            by_formula=partial(
                _by_formula,
                krippendorff_alpha_ordinal,
                partial(krippendorff_alpha_ordinal, small_sample=False),
                family.formulas,
                lambda sample: -1.0,
            ),
        )
    elif numbers_K is None:
        return _never(name, family.source, _NOT_NUMBERS.format(f"the {level} level"))
    elif level == "interval":
        difference_KK = (numbers_K[:, None] - numbers_K[None, :]) ** 2
    elif (numbers_K < 0).any():
        return _never(name, family.source, _NEGATIVE.format(f"the {level} level"))
    else:
        difference_KK = ratio_difference(numbers_K)
    return replace(_weighted(name, family, "none", difference_KK), name=name)


def _icc(model: str, categories: Sequence[str | float]) -> Statistic:
    name = ALSO_CALLED.get(model, model)
    if name not in MODELS:
        raise InputError(
            f"There is no model {model!r} of an intraclass correlation. Choose one of "
            f"{', '.join(MODELS)}."
        )
    numbers_K = values_of(categories)
    if numbers_K is None:
        return _never(name, "McGraw & Wong 1996", _NOT_NUMBERS.format("an intraclass correlation"))

    def by_formula(sample: Sample, level: float) -> list[FormulaInterval]:
        found = icc_interval(sample, numbers_K, name, level)
        return [] if found is None else [found]

    return Statistic(
        name=name,
        method="McGraw & Wong 1996",
        values=partial(icc, values_K=numbers_K, model=name),
        undefined=_ICC,
        by_formula=by_formula,
        resamples_raters=False,
    )


def _never(name: str, method: str, reason: str) -> Statistic:
    return Statistic(name=name, method=method, values=_undefined, undefined=reason)


def _undefined(sample: Sample) -> Floats:
    return np.full(sample.replicates, np.nan)


def _linear_form(values: partial[Floats]) -> Values:
    """What is linearised in its place: Gwet's variance is that of the large-sample alpha."""
    return partial(values, small_sample=False) if values.func is krippendorff_alpha else values


def _by_formula(
    values: Values,
    linear_form: Values,
    formulas: tuple[str, ...],
    lowest: Callable[[Sample], float],
    sample: Sample,
    level: float,
) -> list[FormulaInterval]:
    at = influence_of(linear_form, sample)
    if at is None:
        return []
    centred = replace(at, value=float(values(sample)[0]), lowest=lowest(sample))
    found = (FORMULAS[formula](centred, level) for formula in formulas)
    return [interval for interval in found if interval is not None]
