"""Lower bounds of agreement coefficients, at which intervals by formula end. None exceeds 1.

The bound of −1: if disagreements are squared distances of points, as all weights that have a name
are, two ratings of one image are on average at most twice as far apart as two drawn from all
ratings (their mean square splits into one within images and one between them).
Legend: K categories.
"""

from __future__ import annotations

import math
from typing import Protocol

from eval.agreement.coefficients.sample import MISSING, Sample
from eval.agreement.coefficients.weights import MATRICES
from eval.statistics.arrays import Floats


class LowerBound(Protocol):
    """What no ratings of these raters and images get below; -inf if anything is possible."""

    def __call__(self, sample: Sample, disagreement_KK: Floats, weights: str) -> float:
        """The bound, for disagreements that are called `weights`."""


def lowest_share(sample: Sample, disagreement_KK: Floats, weights: str) -> float:
    """Of percent agreement: 0, unless a matrix has disagreements above 1."""
    return 1 - float(disagreement_KK.max(initial=0.0))


def lowest_given_scale(sample: Sample, disagreement_KK: Floats, weights: str) -> float:
    """Where chance has a least disagreement, the scale's mean: Brennan-Prediger, AC1, AC2.

    −1 / (K − 1) without weights, and with weights often below −1.
    """
    largest, by_chance = disagreement_KK.max(initial=0.0), min(disagreement_KK.mean(), 1.0)
    return 1 - float(largest / by_chance) if by_chance else -math.inf


def lowest_of_distances(sample: Sample, disagreement_KK: Floats, weights: str) -> float:
    """Where chance comes from the ratings that are compared: −1; unknown of a user's matrix."""
    return -math.inf if weights in MATRICES else -1.0


def lowest_if_complete(sample: Sample, disagreement_KK: Floats, weights: str) -> float:
    """The same where everyone rated every image. Otherwise none: Fleiss, Scott, Conger.

    Chance then counts images with a single rating, and may all but vanish by them.
    """
    rated_IR = sample.codes_IR[sample.ratings > 0] != MISSING
    complete = bool(rated_IR.all())
    return lowest_of_distances(sample, disagreement_KK, weights) if complete else -math.inf
