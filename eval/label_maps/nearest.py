"""The real label map that a new one agrees with most, wherever and however it is laid on it.

Both are shrunk, and all places where the one lies in the other are tried under the eight
symmetries; the number of agreeing pixels at all of them comes from Fourier transforms.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from histosyn.new_labels.symmetries import ALL, flipped

Labels = NDArray[np.uint8]

# The longest side of the largest map after shrinking.
_SIDE = 48


@dataclass(frozen=True, kw_only=True)
class Nearest:
    """Which real map, by its row, and the share of pixels that agree there, 0 to 1."""

    row: int
    agreement: float


class RealMaps:
    """Real label maps, made ready to be laid under others. `largest` is the longest side of all."""

    def __init__(self, maps: Sequence[Labels], largest: int) -> None:
        self._step = max(-(-largest // _SIDE), 1)
        self._side = 2 * -(-largest // self._step)
        self._small = [self._shrunk(one) for one in maps]
        self._spectra = [self._spectra_of(one) for one in self._small]

    def nearest(self, labels_HW: Labels, barred: Sequence[bool]) -> Nearest | None:
        """The real map that agrees most; None if all are barred."""
        best: Nearest | None = None
        turned = [flipped(self._shrunk(labels_HW), symmetry) for symmetry in range(ALL)]
        spectra = [self._spectra_of(one) for one in turned]
        for row, (real_HW, real) in enumerate(zip(self._small, self._spectra, strict=True)):
            if barred[row]:
                continue
            for one_HW, new in zip(turned, spectra, strict=True):
                shared = real.keys() & new.keys()
                product = sum(real[index] * np.conj(new[index]) for index in sorted(shared))
                agreement = 0.0
                if shared:
                    counts = fft.irfft2(product, s=(self._side, self._side))
                    agreement = _most(counts, real_HW.shape, one_HW.shape)
                if best is None or agreement > best.agreement:
                    best = Nearest(row=row, agreement=agreement)
        return best

    def _shrunk(self, labels_HW: Labels) -> Labels:
        middle = self._step // 2
        small = labels_HW[middle :: self._step, middle :: self._step]
        return small if small.size else labels_HW[:1, :1]

    def _spectra_of(self, labels_HW: Labels) -> dict[int, NDArray[np.complex64]]:
        """Of the pixels of each class that is there; indices without a class count as one."""
        padded = np.zeros((self._side, self._side), dtype=np.float32)
        height, width = labels_HW.shape
        found = {}
        for index in np.unique(labels_HW).tolist():
            padded[:height, :width] = labels_HW == index
            found[index] = fft.rfft2(padded)
        return found


def _most(counts: NDArray[np.float32], real: tuple[int, ...], new: tuple[int, ...]) -> float:
    """Among the places where, along each side, the shorter lies in the longer."""
    places = [np.arange(min(a - b, 0), max(a - b, 0) + 1) for a, b in zip(real, new, strict=True)]
    overlap = min(real[0], new[0]) * min(real[1], new[1])
    return float(np.clip(np.rint(counts[np.ix_(*places)].max()) / overlap, 0, 1))
