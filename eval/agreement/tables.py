"""Tables of an agreement report: each rater's marginal counts, and pairwise agreement."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from eval.agreement.ratings.arms import Arm
from eval.statistics.result import Number


def marginals(arm: Arm, categories: tuple[str, ...]) -> list[dict[str, Any]]:
    """For each rater of an arm: ratings given, missing, and how many in each category."""
    rows = []
    for rater, codes_I in zip(arm.raters, arm.codes_IR.T, strict=True):
        rated_I = codes_I[codes_I >= 0]
        counts_K = np.bincount(rated_I, minlength=len(categories)).tolist()
        rows.append(
            {
                "arm": arm.name,
                "rater": rater,
                "ratings": len(rated_I),
                "missing": len(codes_I) - len(rated_I),
                "counts": dict(zip(categories, counts_K, strict=True)),
            }
        )
    return rows


def pairwise(arm: Arm, numbers_of_pairs: Sequence[Sequence[Number]]) -> list[dict[str, Any]]:
    """For each statistic of two raters a symmetric matrix of values; None where undefined."""
    index = {rater: row for row, rater in enumerate(arm.raters)}
    matrices: dict[str, list[list[float | None]]] = {}
    for number in (number for numbers in numbers_of_pairs for number in numbers):
        blank: list[list[float | None]] = [[None] * len(index) for _ in index]
        matrix = matrices.setdefault(number.name, blank)
        first, second = (index[rater] for rater in number.details["raters"])
        matrix[first][second] = matrix[second][first] = number.value
    return [
        {"arm": arm.name, "statistic": name, "raters": list(arm.raters), "values": matrix}
        for name, matrix in matrices.items()
    ]
