"""Scores of two label maps from their confusion: of all classes, and of each against the rest.

For B replicates at once; NaN where undefined. Dice and IoU are those of `pixel_scores.py` of the
segmenter. Legend: B replicates, K classes. In a confusion matrix rows are the first rater's
classes.
"""

from __future__ import annotations

from types import MappingProxyType

import numpy as np

from eval.agreement.coefficients.sample import Sample
from eval.statistics.arrays import Floats, ratio

METHODS: MappingProxyType[str, str] = MappingProxyType(
    {
        "percent_agreement": "share of the pixels both labelled",
        "cohen_kappa": "Cohen 1960, of pixels",
        "mean_dice": "mean over the classes that either has",
        "mean_iou": "mean over the classes that either has",
        "dice": "2 · both / (first + second), pixels of all tiles",
        "iou": "both / (first or second), pixels of all tiles",
        "class_kappa": "Cohen 1960, the class against the rest",
    }
)
UNDEFINED: MappingProxyType[str, str] = MappingProxyType(
    {
        "percent_agreement": "no pixel is labelled by both",
        "cohen_kappa": "0/0: both gave all pixels one and the same class",
        "mean_dice": "no pixel is labelled by both",
        "mean_iou": "no pixel is labelled by both",
        "dice": "neither has a pixel of this class",
        "iou": "neither has a pixel of this class",
        "class_kappa": "0/0: both gave all pixels this class, or none",
    }
)


def confusion_of(sample: Sample) -> Floats:
    """(B, K, K): pixels by the classes of the first and of the second rater of `sample`."""
    by_first = (sample.codes_IR[:, 0] == index for index in range(sample.n_categories))
    second_IK = sample.chosen[:, 1]
    return np.stack([sample.times_BI[:, of] @ second_IK[of] for of in by_first], axis=1)


def scores_of(confusion_BKK: Floats) -> dict[str, Floats]:
    """By the names of `METHODS`: (B,) for all classes, (B, K) by class."""
    pixels_B = confusion_BKK.sum(axis=(1, 2))
    hit_BK = np.einsum("bkk->bk", confusion_BKK)
    first_BK, second_BK = confusion_BKK.sum(axis=2), confusion_BKK.sum(axis=1)
    dice_BK = ratio(2 * hit_BK, first_BK + second_BK)
    iou_BK = ratio(hit_BK, first_BK + second_BK - hit_BK)
    return {
        "percent_agreement": ratio(hit_BK.sum(axis=1), pixels_B),
        "cohen_kappa": _kappa(hit_BK.sum(axis=1), (first_BK * second_BK).sum(axis=1), pixels_B),
        "mean_dice": _mean_of_defined(dice_BK),
        "mean_iou": _mean_of_defined(iou_BK),
        "dice": dice_BK,
        "iou": iou_BK,
        "class_kappa": _class_kappa(hit_BK, first_BK, second_BK, pixels_B[:, None]),
    }


def _class_kappa(hit_BK: Floats, first_BK: Floats, second_BK: Floats, pixels_B1: Floats) -> Floats:
    agreed_BK = pixels_B1 - first_BK - second_BK + 2 * hit_BK
    by_chance_BK = first_BK * second_BK + (pixels_B1 - first_BK) * (pixels_B1 - second_BK)
    return _kappa(agreed_BK, by_chance_BK, pixels_B1)


def _kappa(agreed: Floats, products: Floats, pixels: Floats) -> Floats:
    """From pixels agreed on, and the products of the raters' pixels summed over classes."""
    return 1 - ratio((pixels - agreed) * pixels, pixels**2 - products)


def _mean_of_defined(values_BK: Floats) -> Floats:
    defined_BK = ~np.isnan(values_BK)
    return ratio(np.where(defined_BK, values_BK, 0.0).sum(axis=1), defined_BK.sum(axis=1) * 1.0)
