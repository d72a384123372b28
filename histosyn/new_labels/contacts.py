"""Contacts of classes that are longer than in any map of the user's: a third class parts them."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from histosyn.new_labels.checks import longest_borders
from histosyn.new_labels.seen import Seen, borders_of

_ROUNDS = 6
_AROUND = np.ones((3, 3), dtype=bool)


def parted(labels_HW: np.ndarray, seen: Seen, slack: float) -> np.ndarray:
    """The map with a line of a third class, uint8 (H, W), where two meet more than was seen.

    Of the classes seen beside both the one is taken that borders on them most; where there is none,
    the rarer one gives way to the other.
    """
    most_KK = longest_borders(seen, labels_HW.size, slack)
    labels_HW = labels_HW.copy()
    for _ in range(_ROUNDS):
        wrong_KK = borders_of(labels_HW, len(most_KK)) > most_KK
        if not wrong_KK.any():
            break
        pixels_K = np.bincount(labels_HW.ravel(), minlength=256)
        for one, other in np.argwhere(np.triu(wrong_KK, 1)).tolist():
            rarer, commoner = sorted((one, other), key=lambda index: (pixels_K[index], index))
            both_K = np.minimum(most_KK[one], most_KK[other])
            third = int(both_K.argmax()) if both_K.any() else commoner
            near_HW = ndimage.binary_dilation(labels_HW == commoner, _AROUND)
            labels_HW[near_HW & (labels_HW == rarer)] = third
    return labels_HW
