"""What QuPath tells by the names of its exports: slide, downsample and place of a region."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from hpc.errors import InputError

# `S1 [d=2.5,x=0,y=0,w=512,h=512]`; without d=, at full resolution. x, y, w and h are pixels there.
_REGION = re.compile(
    r"\[(?:d=(?P<d>\d+(?:\.\d+)?),)?x=-?\d+,y=-?\d+,w=\d+,h=\d+(?:,z=\d+)?(?:,t=\d+)?\]"
)
# How QuPath calls a label map whose type is that of the tile.
LABELLED = "-labelled"


@dataclass(frozen=True, kw_only=True)
class Region:
    """Of which slide an export is, and how many pixels of it a pixel of the export is wide."""

    slide: str
    downsample: float


def region_of(key: str) -> Region | None:
    """What the name of an export tells; None if it is no name of QuPath's."""
    match = _REGION.search(key)
    downsample = float(match["d"] or 1) if match else 0.0
    if match is None or not downsample:
        return None
    slide = PurePosixPath(key[: match.start()].strip() or key).name
    return Region(slide=slide, downsample=downsample)


def regions_of(keys: Mapping[str, object], base_mpp: float | None) -> dict[str, Region]:
    """The regions of all names that tell one.

    Raises InputError if none does although `base_mpp`, the resolution of the slides, was given.
    """
    found = {key: region for key in keys if (region := region_of(key)) is not None}
    if base_mpp is not None and not found:
        raise InputError(
            f"base_mpp = {base_mpp} is for files that QuPath named, such as 'slide "
            f"[d=2,x=0,y=0,w=512,h=512]'; none of {len(keys)} is, such as "
            f"{next(iter(keys), 'nothing')}. Give source_mpp."
        )
    return found
