"""The agreement of a ratings file: which statistics, with which intervals, and what to beware of.

For each arm: the statistics of all raters together, and Cohen's kappa of every pair of raters.
Intervals come from one bootstrap over images, shared by all statistics of an arm.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from eval.agreement_statistics import Statistic, group_statistics, measure, pair_statistics
from eval.bootstrap import percentile_interval, resamples
from eval.rating_sample import Floats, Sample
from eval.ratings import ARMS, Arm, Ratings, looks_like_a_person
from eval.result import Number, Result

INTERVAL_LEVEL = 0.95
_MISSING_RATINGS = (
    "Gwet 2014: observed agreement from images with two or more ratings, chance from all images "
    "rated; Krippendorff: images with one rating ignored; Cohen, Light: images both raters rated"
)
# Below this many images percentile intervals are known to be too narrow.
_FEW_IMAGES = 20


@dataclass(frozen=True, kw_only=True)
class Panel:
    """Raters of an arm who are compared (`compared` says which), by which statistics."""

    compared: str
    raters: tuple[int, ...]
    statistics: tuple[Statistic, ...]


def report_agreement(ratings: Ratings, *, replicates: int, seed: int) -> Result:
    """Every statistic of every arm, with percentile intervals from `replicates` resamples."""
    numbers = [
        number
        for arm in ratings.arms
        for number in _arm_numbers(arm, ratings.categories, replicates=replicates, seed=seed)
    ]
    return Result(
        kind="agreement",
        inputs={
            "ratings": str(ratings.path),
            "sha256": ratings.sha256,
            "form": ratings.form,
            "arms": [_arm_facts(arm) for arm in ratings.arms],
        },
        settings={
            "categories": list(ratings.categories),
            "categories_from": "declared" if ratings.declared else "observed",
            "weights": "by position in the scale, evenly spaced; ordinal: Gwet's",
            "missing_ratings": _MISSING_RATINGS,
            "replicates": replicates,
            "seed": seed,
            "interval_level": INTERVAL_LEVEL,
        },
        numbers=tuple(numbers),
        warnings=tuple(_warnings(ratings)),
    )


def _arm_numbers(
    arm: Arm, categories: tuple[str, ...], *, replicates: int, seed: int
) -> Iterator[Number]:
    everyone = tuple(range(len(arm.raters)))
    groups, pairs = group_statistics(categories), pair_statistics(categories)
    panels = [Panel(compared="all raters", raters=everyone, statistics=groups)] + [
        Panel(compared="pairs of raters", raters=pair, statistics=pairs)
        for pair in combinations(everyone, 2)
    ]
    data = Sample.observed(arm.codes_IR, len(categories))
    key = (seed, 0 if arm.name is None else 1 + ARMS.index(arm.name))
    replicated = _replicate(data, panels, replicates=replicates, key=key)
    for panel, values_SB in zip(panels, replicated, strict=True):
        sample = data.of_raters(panel.raters)
        raters = [arm.raters[index] for index in panel.raters]
        about = {"arm": arm.name, "compared": panel.compared, "raters": raters}
        for statistic, values_B in zip(panel.statistics, values_SB, strict=True):
            yield _number(statistic, sample, values_B, about)


def _replicate(
    data: Sample, panels: list[Panel], *, replicates: int, key: tuple[int, ...]
) -> list[Floats]:
    """For each panel the (S, B) values of its S statistics in B replicates; B is 0 for no image."""
    n_images = len(data.codes_IR)
    blocks: list[list[Floats]] = [[np.empty((len(panel.statistics), 0))] for panel in panels]
    for times_BI in resamples(n_images, replicates=replicates, key=key) if n_images else ():
        drawn = Sample(codes_IR=data.codes_IR, n_categories=data.n_categories, times_BI=times_BI)
        for panel, values in zip(panels, blocks, strict=True):
            sample = drawn.of_raters(panel.raters)
            values.append(np.stack([each.values(sample) for each in panel.statistics]))
    return [np.concatenate(values, axis=1) for values in blocks]


def _number(
    statistic: Statistic, sample: Sample, values_B: Floats, about: dict[str, Any]
) -> Number:
    value, reason = measure(statistic, sample)
    n = int(sample.comparable[0])
    # One image resampled is always itself: an interval of width zero would claim certainty.
    usable = value is not None and n > 1
    interval = percentile_interval(values_B, INTERVAL_LEVEL) if usable else None
    undefined = int(np.isnan(values_B).sum())
    return Number(
        name=statistic.name,
        value=value,
        n=n,
        method=statistic.method,
        interval=interval,
        interval_level=INTERVAL_LEVEL if interval else None,
        interval_method="percentile bootstrap over images" if interval else None,
        reason=reason,
        details={
            **about,
            "replicates": len(values_B),
            "undefined_replicates": undefined,
            "interval_note": _interval_note(interval, n, undefined, len(values_B)),
        },
    )


def _interval_note(
    interval: tuple[float, float] | None, n: int, undefined: int, replicates: int
) -> str | None:
    notes = []
    if n == 1:
        notes.append("no interval from a single image")
    if interval is not None and interval[0] == interval[1]:
        notes.append("all replicates alike: the interval doesn't show the uncertainty")
    if interval is not None and undefined:
        notes.append(f"undefined in {undefined} of {replicates} replicates")
    return "; ".join(notes) or None


def _arm_facts(arm: Arm) -> dict[str, Any]:
    return {
        "arm": arm.name,
        "images": len(arm.images),
        "unrated_images": arm.unrated_images,
        "raters": {
            rater: int((arm.codes_IR[:, column] >= 0).sum())
            for column, rater in enumerate(arm.raters)
        },
    }


def _warnings(ratings: Ratings) -> Iterator[str]:
    if not ratings.declared:
        yield (
            f"The scale isn't declared: taken from the ratings, in this order: "
            f"{','.join(ratings.categories)}. A grade nobody used, or another order, changes "
            "weighted statistics: use --categories."
        )
    raters = {rater for arm in ratings.arms for rater in arm.raters}
    if people := sum(looks_like_a_person(rater) for rater in raters):
        yield (
            f"{people} of {len(raters)} rater ids look like names or e-mail addresses, and results "
            "repeat them: use pseudonyms such as R1."
        )
    for arm in ratings.arms:
        yield from _arm_warnings(arm)


def _arm_warnings(arm: Arm) -> Iterator[str]:
    where = f"Arm {arm.name}" if arm.name else "Ratings"
    if not arm.images:
        yield f"{where}: no rated image."
        return
    if arm.unrated_images:
        yield f"{where}: images without any rating, left out: {arm.unrated_images}."
    counts = _arm_facts(arm)["raters"]
    if partly := [f"{rater} {n}" for rater, n in counts.items() if n < len(arm.images)]:
        yield f"{where}: not everyone rated all {len(arm.images)} images: {', '.join(partly)}."
    if len(arm.images) < _FEW_IMAGES:
        yield (
            f"{where}: intervals from fewer than {_FEW_IMAGES} images "
            f"({len(arm.images)}) tend to be too narrow."
        )
