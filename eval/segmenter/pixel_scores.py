"""Dice, IoU and pixel accuracy from confusion matrices: vectorised for bootstrap resamples.

Rows of a confusion matrix are true classes, columns predicted ones. A class that is neither true
nor predicted anywhere has no score (NaN here, None and a reason in results) and is left out of
means; one that is true or predicted, but never both in one pixel, scores 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hpc.errors import InputError

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]


def confusion_of(
    true_HW: NDArray[np.integer], predicted_HW: NDArray[np.integer], classes: int
) -> Counts:
    """Confusion matrix (K, K) of pixels, int64; ignored pixels (labels >= K) are left out."""
    counted_HW = true_HW < classes
    true = true_HW[counted_HW].astype(np.int64)
    pairs = true * classes + predicted_HW[counted_HW]
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


def dice(confusion_BKK: NDArray[np.floating] | Counts) -> Floats:
    """2·TP / (true + predicted) of each class, (..., K)."""
    hit, true, predicted = _sums(confusion_BKK)
    return _ratio(2 * hit, true + predicted)


def iou(confusion_BKK: NDArray[np.floating] | Counts) -> Floats:
    """TP / (true + predicted − TP) of each class, (..., K)."""
    hit, true, predicted = _sums(confusion_BKK)
    return _ratio(hit, true + predicted - hit)


def accuracy(confusion_BKK: NDArray[np.floating] | Counts) -> Floats:
    """Share of the counted pixels whose class was predicted right, (...)."""
    hit, true, _ = _sums(confusion_BKK)
    return _ratio(hit.sum(axis=-1), true.sum(axis=-1))


def mean_of_defined(values_BK: Floats) -> Floats:
    """Mean over the last axis of what is not NaN, (...)."""
    defined = ~np.isnan(values_BK)
    return _ratio(np.where(defined, values_BK, 0.0).sum(axis=-1), defined.sum(axis=-1))


@dataclass(frozen=True, kw_only=True)
class ClassScores:
    """By class; None for one that is neither true nor predicted, which the means leave out."""

    dice: tuple[float | None, ...]
    iou: tuple[float | None, ...]
    mean_dice: float | None
    mean_iou: float | None


def class_scores(confusion_KK: ArrayLike) -> ClassScores:
    """Scores of the K classes of one confusion matrix; None where there is none.

    Raises InputError for what is no square matrix of counts.
    """
    counts_KK = np.asarray(confusion_KK, dtype=np.float64)
    if counts_KK.ndim != 2 or counts_KK.shape[0] != counts_KK.shape[1]:
        raise InputError(f"A confusion matrix is square, not of shape {counts_KK.shape}.")
    if not (np.isfinite(counts_KK).all() and (counts_KK >= 0).all()):
        raise InputError("A confusion matrix holds counts, none negative.")
    dice_K, iou_K = dice(counts_KK), iou(counts_KK)
    return ClassScores(
        dice=tuple(map(_defined, dice_K)),
        iou=tuple(map(_defined, iou_K)),
        mean_dice=_defined(mean_of_defined(dice_K)),
        mean_iou=_defined(mean_of_defined(iou_K)),
    )


def _defined(value: np.floating | Floats) -> float | None:
    return None if np.isnan(value) else float(value)


def _sums(confusion: NDArray[np.floating] | Counts) -> tuple[Floats, Floats, Floats]:
    counts = confusion.astype(np.float64)
    hit = np.diagonal(counts, axis1=-2, axis2=-1)
    return hit, counts.sum(axis=-1), counts.sum(axis=-2)


def _ratio(part: NDArray[np.floating], whole: NDArray[np.number]) -> Floats:
    shape = np.broadcast(part, whole).shape
    undefined = np.full(shape, np.nan)
    return np.divide(part, whole, out=undefined, where=np.asarray(whole) > 0)
