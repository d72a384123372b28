"""The agreement of a ratings file: each arm by itself, pairs of raters, and real minus synthetic.

Intervals come from one bootstrap, shared by all statistics of an arm; those that formulas give
stand beside them in the details, each with the name of its method.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

from eval.agreement.coefficients.sample import Sample
from eval.agreement.coefficients.statistics import Statistic, group_statistics, pair_statistics
from eval.agreement.coefficients.value import number_of
from eval.agreement.detection import detection_numbers, require_confidence
from eval.agreement.difference import (
    NOT_EQUIVALENCE,
    permutation_test,
    permuted_differences,
)
from eval.agreement.kappa_comparison import independent_kappas
from eval.agreement.plan import DIFFERENCE, RATERS_TOO, Plan
from eval.agreement.ratings.arms import ARMS, Arm, Ratings
from eval.agreement.replicates import (
    Panel,
    Resampling,
    Source,
    draws_raters,
    enough_raters,
    replicated,
)
from eval.agreement.resampling_units import in_groups, joint_sources, sources_of
from eval.agreement.tables import marginals, pairwise
from eval.agreement.warnings import few_patients, raters_not_drawn, rating_warnings
from eval.statistics.arrays import Floats
from eval.statistics.equivalence import equivalence_test
from eval.statistics.interval import INTERVAL_LEVEL, with_interval
from eval.statistics.result import Number, Result
from hpc.file_fingerprint import FileFingerprint

_MISSING_RATINGS = (
    "Gwet 2014: observed agreement from images with two or more ratings, chance from all images "
    "rated; Krippendorff: images with one rating ignored; Cohen, Light: images both raters rated; "
    "intraclass correlations: images that all raters rated"
)
_NO_IMAGES = "an arm has no rated image, so there is nothing to exchange"
_OTHER_RATERS = "the arms have different raters, so images cannot be exchanged between them"
_PATIENTS = "images of a patient are not independent, so they cannot be exchanged one by one"


@dataclass(frozen=True, kw_only=True)
class _Measured:
    """An arm with the numbers of each panel and the replicates (S, B) behind them."""

    arm: Arm
    panels: list[Panel]
    replicates: list[Floats]
    numbers: list[list[Number]]


def report_agreement(ratings: Ratings, plan: Plan) -> Result:
    """Every statistic of every arm and their difference.

    Where no arm has enough raters to draw from, only images are drawn, with a warning. Raises
    InputError if arms are to be paired and an image has no partner, or if confidence in being of an
    arm is asked for and there is only one.
    """
    if plan.confidence is not None:
        require_confidence(ratings)
    drawable = any(enough_raters(arm.raters) for arm in ratings.arms)
    not_drawn = [raters_not_drawn()] if plan.resample_raters and not drawable else []
    plan = replace(plan, resample_raters=plan.resample_raters and drawable)
    raters = tuple(sorted({rater for arm in ratings.arms for rater in arm.raters}))
    resampling = Resampling(
        replicates=plan.replicates, seed=plan.seed, raters=raters if plan.resample_raters else ()
    )
    sources = (joint_sources if plan.paired else sources_of)(ratings, resampling)
    fingerprint = None if plan.groups is None else FileFingerprint(plan.groups)
    if plan.groups is not None:
        sources = in_groups(sources, ratings, plan.groups)
    measured = [
        _measure(arm, ratings.categories, resampling, source, plan)
        for arm, source in zip(ratings.arms, sources, strict=True)
    ]
    numbers = [number for one in measured for panel in one.numbers for number in panel]
    comparisons = []
    if len(measured) == 2:
        numbers += _differences(measured[0], measured[1], ratings.categories, plan)
        if not plan.paired and plan.groups is None:
            comparisons = independent_kappas(measured[0].numbers, measured[1].numbers)
    if plan.confidence is not None:
        numbers += detection_numbers(ratings, sources, resampling, plan)
    return Result(
        kind="agreement",
        inputs={
            "ratings": str(ratings.path),
            "sha256": ratings.sha256,
            "form": ratings.form,
            "groups": None if plan.groups is None else str(plan.groups),
            "groups_sha256": None if fingerprint is None else fingerprint.sha256(),
            "arms": [_arm_facts(arm) for arm in ratings.arms],
            "raters_without_rating": list(ratings.silent_raters),
            "left_aside": list(ratings.left_aside),
        },
        settings=_settings(ratings, plan),
        numbers=tuple(numbers),
        warnings=(
            *rating_warnings(ratings, paired=plan.paired),
            *few_patients(ratings.arms, sources),
            *not_drawn,
        ),
        tables={
            "marginals": [
                row for arm in ratings.arms for row in marginals(arm, ratings.categories)
            ],
            "independent_kappas": comparisons,
            "pairwise": [table for one in measured for table in pairwise(one.arm, one.numbers[1:])],
        },
    )


def _settings(ratings: Ratings, plan: Plan) -> dict[str, Any]:
    return {
        "categories": list(ratings.categories),
        "categories_from": "declared" if ratings.declared else "observed",
        "weights": "by position in the scale, evenly spaced; ordinal: Gwet's",
        "missing_ratings": _MISSING_RATINGS,
        "replicates": plan.replicates,
        "seed": plan.seed,
        "resampled": plan.units + (RATERS_TOO if plan.resample_raters else ""),
        "interval_level": INTERVAL_LEVEL,
        "margin": plan.margin,
        "paired": plan.paired,
        "confidence": plan.confidence,
        "not_equivalence": NOT_EQUIVALENCE,
    }


def _measure(
    arm: Arm,
    categories: tuple[str, ...],
    resampling: Resampling,
    source: Source,
    plan: Plan,
) -> _Measured:
    everyone = tuple(range(len(arm.raters)))
    pairs = pair_statistics(categories)
    panels = [
        Panel(compared="all raters", raters=everyone, statistics=group_statistics(categories))
    ] + [
        Panel(compared="pairs of raters", raters=pair, statistics=pairs)
        for pair in combinations(everyone, 2)
    ]
    replicates = replicated(source, len(categories), panels, resampling)
    data = Sample.observed(arm.codes_IR, len(categories))
    numbers = [
        [
            _number(arm, panel, data, statistic, values_B, plan)
            for statistic, values_B in zip(panel.statistics, values_SB, strict=True)
        ]
        for panel, values_SB in zip(panels, replicates, strict=True)
    ]
    return _Measured(arm=arm, panels=panels, replicates=replicates, numbers=numbers)


def _number(
    arm: Arm, panel: Panel, data: Sample, statistic: Statistic, values_B: Floats, plan: Plan
) -> Number:
    plain = number_of(statistic, data.of_raters(panel.raters), interval_level=INTERVAL_LEVEL)
    over = plan.over(plan.resample_raters and draws_raters(panel, statistic))
    about = {
        "arm": arm.name,
        "compared": panel.compared,
        "raters": [arm.raters[index] for index in panel.raters],
        **plain.details,
    }
    if plan.groups is not None:
        about |= {"by_formula": [], "null_test": None}
    single = "image" if plain.n == 1 else None
    return with_interval(replace(plain, details=about), values_B, over=over, single=single)


def _differences(
    real: _Measured,
    synthetic: _Measured,
    categories: tuple[str, ...],
    plan: Plan,
) -> Iterator[Number]:
    """For each statistic of all raters: the difference, its interval and the tests."""
    arms = real.arm, synthetic.arm
    statistics = real.panels[0].statistics
    unfit = _why_no_exchange(arms, plan)
    permuted = None
    if unfit is None:
        permuted = permuted_differences(
            arms[0].codes_IR,
            arms[1].codes_IR,
            len(categories),
            statistics,
            replicates=plan.replicates,
            seed=plan.seed,
            paired=plan.paired,
        )
    # An arm without images has no replicates, and so their difference has none.
    drawn = min(one.replicates[0].shape[1] for one in (real, synthetic))
    replicates_SB = real.replicates[0][:, :drawn] - synthetic.replicates[0][:, :drawn]
    for row, (one, other) in enumerate(zip(real.numbers[0], synthetic.numbers[0], strict=True)):
        values_B = replicates_SB[row]
        over = _over_both(plan, statistics[row], (real.panels[0], synthetic.panels[0]))
        number = _difference(one, other, values_B, over)
        details = dict(number.details, permutation_test=None, equivalence_test=None)
        if plan.margin is not None and number.interval is None:
            details["equivalence_note"] = number.reason or number.details["interval_note"]
        if permuted is None:
            details["permutation_note"] = unfit
        elif number.value is not None:
            details["permutation_test"] = permutation_test(number.value, permuted, row)
        if number.interval is not None:
            details["equivalence_test"] = equivalence_test(values_B, plan.margin)
        yield replace(number, details=details)


def _why_no_exchange(arms: tuple[Arm, Arm], plan: Plan) -> str | None:
    """Why images cannot change arms, for a permutation test; None if they can."""
    if not all(arm.images for arm in arms):
        return _NO_IMAGES
    if arms[0].raters != arms[1].raters:
        return _OTHER_RATERS
    return _PATIENTS if plan.groups else None


def _over_both(plan: Plan, statistic: Statistic, panels: tuple[Panel, Panel]) -> str:
    """What the replicates of a difference are drawn from, in words."""
    drawn = [plan.resample_raters and draws_raters(panel, statistic) for panel in panels]
    over = plan.over_both(all(drawn))
    if any(drawn) and not all(drawn):
        over += f"; raters of the {ARMS[drawn.index(True)]} arm only"
    return over


def _difference(real: Number, synthetic: Number, values_B: Floats, over: str) -> Number:
    undefined = [
        f"{name}: {one.reason}"
        for name, one in zip(ARMS, (real, synthetic), strict=True)
        if one.value is None
    ]
    value = None
    if real.value is not None and synthetic.value is not None:
        value = real.value - synthetic.value
    number = Number(
        name=real.name,
        value=value,
        n=real.n + synthetic.n,
        method=real.method,
        reason="; ".join(undefined) or None,
        details={
            "arm": DIFFERENCE,
            "compared": "all raters",
            "raters": real.details["raters"],
            "values": {"real": real.value, "synthetic": synthetic.value},
            "images": {"real": real.n, "synthetic": synthetic.n},
        },
    )
    alone = [name for name, one in zip(ARMS, (real, synthetic), strict=True) if one.n == 1]
    single = f"{' and a single '.join(alone)} image" if alone else None
    return with_interval(number, values_B, over=over, single=single)


def _arm_facts(arm: Arm) -> dict[str, Any]:
    return {
        "arm": arm.name,
        "images": len(arm.images),
        "unrated_images": arm.unrated_images,
        "raters": {
            rater: int(n) for rater, n in zip(arm.raters, arm.ratings_of_raters, strict=True)
        },
    }
