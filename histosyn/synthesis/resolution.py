"""Resolution of label maps (microns per pixel), and their resampling to the model's.

A network has learnt how large a nucleus is in pixels: shown a label map of twice the resolution it
makes nuclei of twice the size. So a label map whose microns per pixel are known, and are not the
model's, is resampled. Who says it, the first that does: a table, for this very map; its name, as
QuPath writes it, with the resolution of the slide; one number for all; a tag in the file.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from histosyn.sources.qupath import regions_of
from histosyn.sources.tile_facts import match_facts, read_tile_facts
from histosyn.synthesis.provenance import Resampled
from hpc.errors import DatasetError, InputError

# Nearer than this, two resolutions are the same: scanners of one magnification differ by so much,
# and resampling would fray the outlines for nothing.
EQUAL_WITHIN = 0.05


@dataclass(frozen=True, kw_only=True)
class SaidResolution:
    """What a user says of the label maps' microns per pixel.

    `source_mpp` is that of all of them, `base_mpp` that of the slides whose regions QuPath
    exported, `table` a CSV with the columns tile and mpp.
    """

    source_mpp: float | None = None
    base_mpp: float | None = None
    table: Path | None = None

    def __post_init__(self) -> None:
        for name in ("source_mpp", "base_mpp"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise InputError(
                    f"{name} = {value} is no number of microns per pixel, such as 0.25."
                )

    @property
    def given(self) -> list[str]:
        """The names of what is said."""
        return [item.name for item in fields(self) if getattr(self, item.name) is not None]


def resolutions_of(label_maps: Mapping[str, Path], said: SaidResolution) -> dict[str, float]:
    """The microns per pixel of each label map, by key, as far as it was said.

    Raises InputError or DatasetError for a table that is damaged or fits none of the keys, and if
    no name has QuPath's region although the slides' resolution is given.
    """
    table = _from_table(list(label_maps), said.table)
    regions = regions_of(label_maps, said.base_mpp)
    found: dict[str, float | None] = {}
    for key in label_maps:
        if key in table:
            found[key] = table[key]
        elif said.base_mpp is not None and key in regions:
            found[key] = said.base_mpp * regions[key].downsample
        else:
            found[key] = said.source_mpp
    return {key: mpp for key, mpp in found.items() if mpp is not None}


def resampling(source_mpp: float | None, model_mpp: float | None) -> Resampled | None:
    """What is to be done to a label map of `source_mpp`; None for nothing."""
    if source_mpp is None or model_mpp is None:
        return None
    if abs(source_mpp / model_mpp - 1) <= EQUAL_WITHIN:
        return None
    return Resampled(source_mpp=source_mpp, mpp=model_mpp)


def _from_table(keys: Sequence[str], table: Path | None) -> dict[str, float]:
    if table is None:
        return {}
    facts = match_facts(keys, read_tile_facts(table, column=None), table)
    found = {key: known.mpp for key, known in facts.items() if known.mpp is not None}
    if not found:
        raise DatasetError(
            f"{table} says of no label map at how many microns per pixel it is. Add a column mpp."
        )
    return found
