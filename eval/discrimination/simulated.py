"""Readers made up by signal detection theory, to plan studies and to try intervals on.

What reader r sees in image i is d_r·(1/2 or -1/2) + √ρ·C_i + √(1 - ρ)·E_ri, C and E standard
normal: readers differ in d' (d_r) and agree on what looks odd (ρ), as in Roe & Metz, "Dorfman-
Berbaum-Metz method for statistical analysis of multireader, multimodality receiver operating
characteristic data", Acad Radiol 1997;4:298. Grades are cut at points that each reader shifts.

Legend: I images, R readers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from eval.discrimination.panel import Panel
from eval.statistics.arrays import Floats

_NODES = 16


@dataclass(frozen=True, kw_only=True)
class Readers:
    """A population of readers: mean and spread of their d', of their bias, and what they share."""

    dprime: float = 0.0
    dprime_spread: float = 0.2
    bias_spread: float = 0.3
    shared: float = 0.3
    levels: int = 3

    def panel(self, readers: int, images: int, random: np.random.Generator) -> Panel:
        """A study: so many readers of so many images, half of each arm."""
        positive_I = np.arange(images) % 2 == 1
        dprime_R = random.normal(self.dprime, self.dprime_spread, readers)
        signal_IR = np.where(positive_I, 0.5, -0.5)[:, None] * dprime_R
        seen_IR = signal_IR + self._noise(images, readers, random)
        return self._graded(seen_IR, positive_I, random)

    def pairs(self, readers: int, pairs: int, random: np.random.Generator) -> Panel:
        """A study of pairs; the synthetic image of each is on the right."""
        dprime_R = random.normal(self.dprime, self.dprime_spread, readers)
        # The difference of two images, in units of its own spread.
        seen_IR = dprime_R / np.sqrt(2) + self._noise(pairs, readers, random)
        return self._graded(seen_IR, np.ones(pairs, bool), random, pairs=True)

    def expected(self, outcome: str) -> float:
        """The mean over all readers of `auc`, `accuracy`, `pairs` or `dprime`; images without end.

        By Gauss-Hermite quadrature over d' and bias.
        """
        if outcome == "dprime":
            return self.dprime
        nodes, weights = np.polynomial.hermite_e.hermegauss(_NODES)
        weights = weights / weights.sum()
        total = 0.0
        for node, weight in zip(nodes, weights, strict=True):
            dprime = self.dprime + self.dprime_spread * node
            for other, share in zip(nodes, weights, strict=True):
                total += weight * share * self._of_reader(outcome, dprime, self.bias_spread * other)
        return float(total)

    def _of_reader(self, outcome: str, dprime: float, bias: float) -> float:
        if outcome == "pairs":
            return float(ndtr(dprime / np.sqrt(2)))
        if outcome == "accuracy":
            return float((ndtr(dprime / 2 - bias) + ndtr(dprime / 2 + bias)) / 2)
        edges = np.concatenate([[-np.inf], self._cuts() + bias, [np.inf]])
        yes, no = (np.diff(ndtr(edges - mean)) for mean in (dprime / 2, -dprime / 2))
        return float((yes * (np.cumsum(no) - no / 2)).sum())

    def _noise(self, images: int, readers: int, random: np.random.Generator) -> Floats:
        shared_I1: Floats = random.normal(size=(images, 1))
        own_IR: Floats = random.normal(size=(images, readers))
        return math.sqrt(self.shared) * shared_I1 + math.sqrt(1 - self.shared) * own_IR

    def _cuts(self) -> Floats:
        """Where grades change: half a unit apart, as many on each side of the middle."""
        cuts: Floats = np.arange(1 - self.levels, self.levels) / 2
        return cuts

    def _graded(
        self,
        seen_IR: Floats,
        positive_I: np.ndarray,
        random: np.random.Generator,
        pairs: bool = False,
    ) -> Panel:
        readers = seen_IR.shape[1]
        # Sides have no bias that would be the same for all pairs: the synthetic one changes sides.
        shift_R = np.zeros(readers) if pairs else random.normal(0, self.bias_spread, readers)
        grades_IR = 1 + ((seen_IR - shift_R)[..., None] > self._cuts()).sum(axis=2)
        return Panel(
            block="naive",
            readers=tuple(f"R{number + 1}" for number in range(readers)),
            images=tuple(str(number) for number in range(len(positive_I))),
            positive_I=positive_I,
            ratings_IR=grades_IR.astype(float),
            middle=self.levels + 0.5,
            pairs=pairs,
        )
