"""The analysis plan of a ratings file: settings that are fixed before the data are seen."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

# The arm of a number, in its details, where it is neither of the two.
DIFFERENCE = "real minus synthetic"
DETECTION = "real or synthetic"
MEAN_OF_READERS = "mean of readers"
RATERS_TOO = " and raters"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """`replicates` of the images, and random permutations, with `seed`.

    With `resample_raters` raters are drawn too, wherever three or more are compared. `margin` is
    the largest difference of two arms that would not matter, for the equivalence test. `paired`:
    equal names in both arms are pairs, which are drawn and swapped together. `groups` is a CSV
    tile,patient: whole patients are drawn; there are then no intervals by formula and no
    permutation test, which take images for independent. `confidence`: ratings say how sure a reader
    is, in rising order of the scale, that an image is of this arm.
    """

    replicates: int = 2000
    seed: int = 0
    resample_raters: bool = False
    margin: float | None = None
    paired: bool = False
    groups: Path | None = None
    confidence: Literal["real", "synthetic"] | None = None

    @property
    def units(self) -> str:
        """The resampling unit, in words."""
        return "images" if self.groups is None else "patients"

    def over(self, raters_too: bool) -> str:
        """What a bootstrap interval is over, in words."""
        return f"percentile bootstrap over {self.units}{RATERS_TOO if raters_too else ''}"

    def over_both(self, raters_too: bool) -> str:
        """The same, of a number that has both arms in it."""
        together = self.paired or self.groups is not None
        how = "both arms together" if together else "each arm by itself"
        return f"{self.over(raters_too)}, {how}"
