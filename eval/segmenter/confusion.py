"""Dice and IoU of each class from a confusion matrix of pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from hpc.errors import InputError


@dataclass(frozen=True, kw_only=True)
class ClassScores:
    """By class; None for one that is neither there nor predicted, which the means leave out."""

    dice: tuple[float | None, ...]
    iou: tuple[float | None, ...]

    @property
    def mean_dice(self) -> float | None:
        """Mean over the classes that have a score; None if none has."""
        return _mean(self.dice)

    @property
    def mean_iou(self) -> float | None:
        """Mean over the classes that have a score; None if none has."""
        return _mean(self.iou)


def class_scores(confusion_KK: ArrayLike) -> ClassScores:
    """Scores of the K classes from pixel counts: rows are what is there, columns the prediction.

    Dice = 2·TP / (there + predicted), IoU = TP / (there + predicted − TP).
    """
    counts_KK = np.asarray(confusion_KK, dtype=np.float64)
    if counts_KK.ndim != 2 or counts_KK.shape[0] != counts_KK.shape[1]:
        raise InputError(f"A confusion matrix is square, not of shape {counts_KK.shape}.")
    if not (np.isfinite(counts_KK).all() and (counts_KK >= 0).all()):
        raise InputError("A confusion matrix holds counts, none negative.")
    hit_K = np.diag(counts_KK)
    both_K = counts_KK.sum(axis=0) + counts_KK.sum(axis=1)
    return ClassScores(
        dice=tuple(_ratio(2 * hit, both) for hit, both in zip(hit_K, both_K, strict=True)),
        iou=tuple(_ratio(hit, both - hit) for hit, both in zip(hit_K, both_K, strict=True)),
    )


def _ratio(part: float, whole: float) -> float | None:
    return float(part / whole) if whole else None


def _mean(scores: Sequence[float | None]) -> float | None:
    known = [score for score in scores if score is not None]
    return sum(known) / len(known) if known else None
