"""Whether a new label map is possible: classes touch as they were seen to, objects have a size."""

from __future__ import annotations

from typing import Literal

import numpy as np

from histosyn.new_labels.seen import MapFacts, Seen

Fault = Literal["copy", "touching", "border", "small object", "large object"]

FAULTS: dict[str, str] = {
    "copy": "it is one of your maps again",
    "touching": "classes touch that touch in none of your maps",
    "border": "a border between two classes is longer than in any of your maps",
    "small object": "an object is smaller than any of yours",
    "large object": "an object is larger than any of yours",
}


def fault_of(new: MapFacts, seen: Seen, slack: float) -> Fault | None:
    """What is impossible in a map of these facts, if anything.

    `slack` is how far lengths and areas may be beyond what was seen, as a share of it.
    """
    if ((new.borders > 0) & (seen.border_density == 0)).any():
        return "touching"
    if (new.borders > longest_borders(seen, new.pixels, slack)).any():
        return "border"
    for kind, (whole, cut) in enumerate(zip(new.whole_areas, new.cut_areas, strict=True)):
        if max(whole.max(initial=0), cut.max(initial=0)) > seen.most_area[kind] * (1 + slack):
            return "large object"
        if whole.size and whole.min() < seen.least_area[kind] / (1 + slack):
            return "small object"
    return None


def longest_borders(seen: Seen, pixels: int, slack: float) -> np.ndarray:
    """How many edges of pixels may lie between each two classes of so large a map, (K, K).

    A window of a larger map may be all border: per pixel it grows as the side shrinks.
    """
    smaller = max(np.sqrt(seen.pixels / pixels), 1.0)
    return np.asarray(seen.border_density * pixels * (1 + slack) * smaller)
