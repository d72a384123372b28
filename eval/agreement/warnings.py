"""Warnings about a ratings file: few images, names of people, raters who stopped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np

from eval.agreement.coefficients.sample import MISSING
from eval.agreement.ratings.arms import Arm, Ratings, looks_like_a_person
from eval.agreement.replicates import Source
from eval.statistics.bootstrap import FEW_DRAWN

# Who misses the last images of the file, and so many of them at least, has probably stopped; unless
# there are more gaps before.
_STOPPED_AFTER_MISSING = 3
_NAMED_PAIRS = 3


def rating_warnings(ratings: Ratings, *, paired: bool) -> Iterator[str]:
    """One sentence a concern: scale, names of people, arms, raters, number of images."""
    if not ratings.declared:
        yield (
            f"The scale isn't declared: taken from the ratings, in this order: "
            f"{','.join(ratings.categories)}. A grade nobody used, or another order, changes "
            "weighted statistics: use --categories."
        )
    if ratings.left_aside:
        yield f"Left aside, not taken for readers: {', '.join(ratings.left_aside)}."
    if alike := ratings.look_alike[:_NAMED_PAIRS]:
        some = ", ".join(f"{one!r} and {other!r}" for one, other in alike)
        yield f"Taken for different, but look alike: {some}. Write the same thing alike."
    silent = ratings.silent_raters
    raters = {rater for arm in ratings.arms for rater in arm.raters}.union(silent)
    if people := sum(looks_like_a_person(rater) for rater in raters):
        yield (
            f"{people} of {len(raters)} rater ids look like names or e-mail addresses, and results "
            "repeat them: use pseudonyms such as R1."
        )
    if silent:
        yield f"Without any rating, so left out: {', '.join(silent)}. Is something missing?"
    for arm in ratings.arms:
        yield from _arm_warnings(arm)
    if len(ratings.arms) == 2 and all(arm.images for arm in ratings.arms):
        yield from _difference_warnings(*ratings.arms, paired=paired)


def raters_not_drawn() -> str:
    """The warning where raters were to be drawn and no arm has enough of them."""
    return (
        "Raters are not drawn, only images: --resample-raters needs an arm of three raters or more."
    )


def few_patients(arms: Sequence[Arm], sources: Sequence[Source]) -> Iterator[str]:
    """A warning if whole patients are drawn, and few in an arm have images to compare raters on."""
    patients = [
        len(np.unique(source.group_of_I[arm.comparable]))
        for arm, source in zip(arms, sources, strict=True)
        if source.group_of_I is not None and arm.comparable.any()
    ]
    if patients and (fewest := min(patients)) < FEW_DRAWN:
        yield f"Intervals from fewer than {FEW_DRAWN} patients ({fewest}) tend to be too narrow."


def _arm_warnings(arm: Arm) -> Iterator[str]:
    where = f"Arm {arm.name}" if arm.name else "Ratings"
    if not arm.images:
        yield f"{where}: no rated image."
        return
    if arm.unrated_images:
        yield f"{where}: images without any rating, left out: {arm.unrated_images}."
    n = len(arm.images)
    counts = zip(arm.raters, arm.ratings_of_raters.tolist(), strict=True)
    if partly := [f"{rater} {count}" for rater, count in counts if count < n]:
        yield f"{where}: not everyone rated all {n} images: {', '.join(partly)}."
    for rater, place in _who_stopped(arm):
        last = arm.images[arm.file_order[place - 1]]
        yield (
            f"{where}: {rater} seems to have stopped after {place} of {n} images (in the file's "
            f"order; the last is {last!r}). What {rater} has seen may differ from the rest."
        )
    if warning := _few_images(arm):
        yield f"{where}: {warning}"


def _few_images(arm: Arm) -> str | None:
    """What to say if few images hold two ratings, in all or of a pair; an image with one is mute.

    Without any there is no interval to speak of.
    """
    n, comparable = len(arm.images), int(arm.comparable.sum())
    if 0 < comparable < FEW_DRAWN:
        some = str(n) if comparable == n else f"{comparable} of {n} with two ratings or more"
        return (
            f"bootstrap intervals from fewer than {FEW_DRAWN} images ({some}) tend to be too "
            "narrow; those by formula less so."
        )
    rated_IR = (arm.codes_IR != MISSING).astype(np.int64)
    shared_RR = rated_IR.T @ rated_IR
    pairs = list(combinations(range(len(arm.raters)), 2))
    few = [(int(shared_RR[pair]), pair) for pair in pairs if 0 < shared_RR[pair] < FEW_DRAWN]
    if not few:
        return None
    fewest, (one, other) = min(few)
    return (
        f"{len(few)} of {len(pairs)} pairs of raters share fewer than {FEW_DRAWN} images (fewest: "
        f"{arm.raters[one]} and {arm.raters[other]}, {fewest}): bootstrap intervals of theirs, of "
        "Light's κ and of intraclass correlations tend to be too narrow."
    )


def _who_stopped(arm: Arm) -> Iterator[tuple[str, int]]:
    """Raters without a rating from some place in the file on, and that place."""
    in_order_IR = arm.codes_IR[list(arm.file_order)] != MISSING
    for rater, rated_I in zip(arm.raters, in_order_IR.T, strict=True):
        length = int(np.flatnonzero(rated_I)[-1]) + 1
        after, before = len(rated_I) - length, int((~rated_I[:length]).sum())
        if after >= _STOPPED_AFTER_MISSING and after > before:
            yield rater, length


def _difference_warnings(real: Arm, synthetic: Arm, *, paired: bool) -> Iterator[str]:
    if real.raters != synthetic.raters:
        only = sorted(set(real.raters) ^ set(synthetic.raters))
        yield (
            f"The arms have different raters ({', '.join(only)} in one only): their difference "
            "is one of raters as well as of images, and has no permutation test."
        )
    shared = len(set(real.images) & set(synthetic.images))
    if shared and not paired:
        yield (
            f"{shared} image names occur in both arms. If they are pairs (a tile and its "
            "synthetic twin), use --paired: intervals and tests of the difference take the arms "
            "for independent."
        )
