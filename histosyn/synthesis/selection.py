"""Tiles tried with other noise until a reader finds in them what was asked for.

Who reads (a segmenter) is not known here. That only such tiles are kept is a bias: they are easier
to read than tissue is, which each record, and reports, say.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from histosyn.synthesis.provenance import Selected
from hpc.errors import InputError

# Tile uint8 (H, W, 3) and label map (H, W) -> how well the one is read as the other, 0 to 1.
Score = Callable[[np.ndarray, np.ndarray], float]


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Try at most `most_tries` times for a score of `least_dice`; the best is kept in any case."""

    score: Score = field(compare=False, repr=False)
    segmenter_sha256: str
    least_dice: float = 0.8
    most_tries: int = 8

    def __post_init__(self) -> None:
        if not 0 < self.least_dice <= 1:
            raise InputError(f"--least-dice {self.least_dice:g} must lie in (0, 1].")
        if self.most_tries < 1:
            raise InputError(f"--most-tries {self.most_tries} must be at least 1.")

    @property
    def asked(self) -> Selected:
        """What is recorded before a tile is tried."""
        return Selected(
            segmenter_sha256=self.segmenter_sha256,
            least_dice=self.least_dice,
            most_tries=self.most_tries,
        )


def selected(
    selection: Selection, labels_HW: np.ndarray, make: Callable[[int], np.ndarray]
) -> tuple[np.ndarray, Selected]:
    """The first tile that is read well enough, or the best of all tries, and what was tried.

    `make` gives the tile, uint8 (H, W, 3), of a try, from 0 on.
    """
    best: tuple[float, int, np.ndarray] | None = None
    tried = 0
    for number in range(selection.most_tries):
        pixels = make(number)
        dice = selection.score(pixels, labels_HW)
        tried += 1
        if best is None or dice > best[0]:
            best = dice, number, pixels
        if dice >= selection.least_dice:
            break
    assert best is not None, "it is tried at least once"
    # Rounded, so that the last digit of a sum on another machine is no other record.
    told = replace(selection.asked, kept=best[1], tried=tried, dice=round(best[0], 4))
    return best[2], told


def tries_text(entries: Sequence[Mapping[str, Any]]) -> str:
    """What lines of the manifest tell of tries, in a sentence."""
    told = [entry["selected"] for entry in entries if "selected" in entry]
    tried = sum(one["tried"] for one in told)
    short = sum(one["dice"] < one["least_dice"] for one in told)
    return (
        f"{len(told)} tiles kept of {tried} tried; {short} of them are read less well than asked "
        "for. Selection is a bias: say so with every number of these tiles."
    )
