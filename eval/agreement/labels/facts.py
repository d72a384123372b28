"""Resampling units of label maps (tiles or patients), facts of each rater, and warnings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from eval.agreement.labels.tally import LabelTally
from eval.statistics.arrays import Floats
from eval.statistics.bootstrap import FEW_DRAWN
from histosyn.sources.tile_facts import match_facts, read_tile_facts
from hpc.errors import DatasetError

_NAMED_TILES = 3


@dataclass(frozen=True, kw_only=True)
class Units:
    """What is drawn: `of_tile` (T,) indices of the units, which are called `name`."""

    name: str
    of_tile: np.ndarray

    def summed(self, per_tile: np.ndarray) -> Floats:
        """(G, ...) sums of what is known by tile (T, ...)."""
        sums = np.zeros((int(self.of_tile.max()) + 1, *per_tile.shape[1:]))
        np.add.at(sums, self.of_tile, per_tile)
        return sums


def units_of(counted: LabelTally, groups: Path | None) -> Units:
    """The tiles, or the patients that the CSV `groups` names. DatasetError if one is left out."""
    if groups is None:
        return Units(name="tiles", of_tile=np.arange(len(counted.tiles)))
    facts = match_facts(counted.tiles, read_tile_facts(groups), groups)
    if left_out := [tile for tile in counted.tiles if tile not in facts]:
        raise DatasetError(
            f"{groups} says nothing of {len(left_out)} tiles: {_named(left_out)}. Add their lines."
        )
    _, of_tile = np.unique([facts[tile].group for tile in counted.tiles], return_inverse=True)
    return Units(name="patients", of_tile=of_tile)


def rater_facts(counted: LabelTally, index: int) -> dict[str, Any]:
    """What a result says of a rater: where its maps are, how many, which are missing or alone."""
    rater = counted.raters[index]
    return {
        "name": rater.name,
        "folder": str(rater.folder),
        "label_maps": len(rater.path_of),
        "compared": int(counted.labelled_TR[:, index].sum()),
        "sha256": counted.sha256[index],
        "missing": list(counted.missing(index)),
        "alone": list(counted.alone[rater.name]),
    }


def label_warnings(counted: LabelTally, units: Units) -> Iterator[str]:
    """One sentence a concern: missing and lonely label maps, few or uneven units."""
    for index, rater in enumerate(counted.raters):
        if missing := counted.missing(index):
            yield f"{rater.name} has no label map of {len(missing)} tiles: {_named(missing)}."
        if alone := counted.alone[rater.name]:
            yield (f"{rater.name} is alone with {len(alone)} tiles, left out: {_named(alone)}.")
    n = int(units.of_tile.max()) + 1
    if n < FEW_DRAWN:
        yield f"Intervals from fewer than {FEW_DRAWN} {units.name} ({n}) tend to be too narrow."
    if units.name == "tiles":
        yield (
            "Tiles are drawn as if independent. Tiles of one patient are not: with --groups "
            "(a CSV tile,patient) whole patients are drawn."
        )
        return
    (_, most), *_ = Counter(units.of_tile.tolist()).most_common(1)
    if 2 * most > len(units.of_tile) and n > 1:
        yield f"One patient has {most} of the {len(units.of_tile)} tiles."


def _named(tiles: Sequence[str]) -> str:
    more = len(tiles) - _NAMED_TILES
    return ", ".join(tiles[:_NAMED_TILES]) + (f" and {more} more" if more > 0 else "")
