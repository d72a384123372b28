"""ROC analysis of how well readers tell the arms apart: AUC of their confidence ratings.

The bootstrap draws what that of the other statistics draws: images of each arm, pairs or patients;
and raters, if asked, of the mean over readers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from eval.agreement.coefficients.sample import MISSING
from eval.agreement.plan import DETECTION, MEAN_OF_READERS, Plan
from eval.agreement.ratings.arms import Arm, Ratings
from eval.agreement.ratings.columns import ARMS
from eval.agreement.ratings.rating_cells import is_number
from eval.agreement.replicates import Resampling, Source, drawn_samples
from eval.statistics.arrays import Floats, ratio
from eval.statistics.interval import INTERVAL_LEVEL, with_interval
from eval.statistics.result import Number
from eval.statistics.roc import METHOD, areas, areas_of_counts, formula_interval
from hpc.errors import InputError


@dataclass(frozen=True, kw_only=True)
class _Side:
    """An arm, what its images are drawn from, and where its raters are in that."""

    arm: Arm
    source: Source

    def column(self, rater: str) -> int:
        """The column of `rater` in what is drawn."""
        return self.source.first_column + self.arm.raters.index(rater)

    def rated(self, rater: str) -> np.ndarray:
        """(I,) bool: what the rater rated."""
        return self.arm.codes_IR[:, self.arm.raters.index(rater)] != MISSING

    def codes(self, rater: str) -> np.ndarray:
        """The grades that the rater gave, as codes in rising order."""
        return self.arm.codes_IR[self.rated(rater), self.arm.raters.index(rater)]


def require_confidence(ratings: Ratings) -> None:
    """InputError unless there are two arms, and a scale whose order is known."""
    if len(ratings.arms) != 2 or not all(arm.images for arm in ratings.arms):
        raise InputError(
            "--confidence needs rated images of both arms: a column arm with real and synthetic."
        )
    if not ratings.declared and any(not is_number(one) for one in ratings.categories):
        raise InputError(
            "--confidence needs the order of the scale, from sure that it is not to sure that it "
            f"is: declare it with --categories. Found: {', '.join(ratings.categories)}."
        )


def detection_numbers(
    ratings: Ratings, sources: Sequence[Source], resampling: Resampling, plan: Plan
) -> Iterator[Number]:
    """The AUC of each reader, and their mean; None, with the reason, of who rated one arm only."""
    sides = {
        str(arm.name): _Side(arm=arm, source=source)
        for arm, source in zip(ratings.arms, sources, strict=True)
    }
    negative, positive = (sides[name] for name in sorted(ARMS, key=lambda n: n == plan.confidence))
    raters = tuple(sorted({rater for arm in ratings.arms for rater in arm.raters}))
    able = tuple(r for r in raters if all(r in arm.raters for arm in ratings.arms))
    replicates_RB = _replicates(positive, negative, able, len(ratings.categories), resampling)
    for rater in raters:
        if rater not in able:
            yield _unable(rater, ratings.arms)
            continue
        number = _of_readers((rater,), positive, negative, plan)
        yield _with_bootstrap(number, replicates_RB[able.index(rater)], plan.over_both(False))
    if len(able) > 1:
        number = _of_readers(able, positive, negative, plan)
        times_BR = None
        if plan.resample_raters:
            times_BR = resampling.rater_times(able)
        values_B = _mean(replicates_RB, times_BR)
        yield _with_bootstrap(number, values_B, plan.over_both(times_BR is not None))


def _of_readers(raters: tuple[str, ...], positive: _Side, negative: _Side, plan: Plan) -> Number:
    """The mean of the readers' AUCs, each on the images that the reader rated."""
    values = [
        float(areas(positive.codes(rater), negative.codes(rater)).values_R[0]) for rater in raters
    ]
    value = float(np.mean(values))
    counts = {
        str(side.arm.name): int(np.any([side.rated(rater) for rater in raters], axis=0).sum())
        for side in (positive, negative)
    }
    formula = _by_formula(raters, positive, negative)
    return Number(
        name="auc",
        value=value,
        n=sum(counts.values()),
        method=METHOD,
        details={
            "arm": DETECTION,
            "compared": raters[0] if len(raters) == 1 else MEAN_OF_READERS,
            "raters": list(raters),
            "positive": plan.confidence,
            "images": {name: counts[name] for name in ARMS},
            "by_formula": [] if plan.paired or plan.groups is not None else formula,
        },
    )


def _by_formula(raters: tuple[str, ...], positive: _Side, negative: _Side) -> list[dict[str, Any]]:
    """DeLong's interval, as far as all these readers rated the same images."""
    rated = [np.array([side.rated(rater) for rater in raters]) for side in (positive, negative)]
    if any((one != one[0]).any() for one in rated):
        return []
    found = areas(*([side.codes(rater) for rater in raters] for side in (positive, negative)))
    formula = formula_interval(found, INTERVAL_LEVEL)
    return [asdict(formula)] if formula else []


def _replicates(
    positive: _Side,
    negative: _Side,
    raters: tuple[str, ...],
    n_categories: int,
    resampling: Resampling,
) -> Floats:
    """(R, B): the AUC of each reader in each replicate."""
    shapes = [side.source.codes_IC.shape for side in (positive, negative)]
    columns = max(max(images, of_raters * n_categories) for images, of_raters in shapes)
    draws = (
        drawn_samples(side.source, n_categories, resampling, columns)
        for side in (positive, negative)
    )
    blocks = []
    for one, other in zip(*draws, strict=True):
        blocks.append(
            [
                areas_of_counts(
                    one.total(one.chosen[:, positive.column(rater)]),
                    other.total(other.chosen[:, negative.column(rater)]),
                )
                for rater in raters
            ]
        )
    return np.concatenate([np.reshape(block, (len(raters), -1)) for block in blocks], axis=1)


def _mean(values_RB: Floats, times_BR: Floats | None) -> Floats:
    """(B,) means over readers, each as often as it was drawn."""
    if times_BR is None:
        return values_RB.mean(axis=0)
    drawn_RB = np.where(times_BR.T > 0, values_RB * times_BR.T, 0.0)
    return ratio(drawn_RB.sum(axis=0), times_BR.sum(axis=1))


def _with_bootstrap(number: Number, values_B: Floats, over: str) -> Number:
    alone = [name for name in ARMS if number.details["images"][name] == 1]
    single = f"{' and a single '.join(alone)} image" if alone else None
    return with_interval(number, values_B, over=over, single=single)


def _unable(rater: str, arms: Sequence[Arm]) -> Number:
    missing = " and ".join(str(arm.name) for arm in arms if rater not in arm.raters)
    details = {
        "arm": DETECTION,
        "compared": rater,
        "raters": [rater],
        "images": {
            str(arm.name): int(arm.ratings_of_raters[arm.raters.index(rater)])
            if rater in arm.raters
            else 0
            for arm in arms
        },
        "by_formula": [],
        "interval_note": None,
    }
    number = Number(name="auc", value=None, n=0, method=METHOD, details=details)
    return replace(number, reason=f"no {missing} image was rated")
