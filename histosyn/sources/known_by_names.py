"""What QuPath's names tell of tiles without a CSV: the slide as group, and microns per pixel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from histosyn.images.resolution import resolution_of
from histosyn.sources.qupath import Region, regions_of
from histosyn.sources.tile_facts import TileFacts
from hpc.errors import DatasetError

_SHOWN = 3


@dataclass(frozen=True, kw_only=True)
class Known:
    """Facts by key, and sentences on what was assumed, of which `on_groups` is about groups."""

    facts: dict[str, TileFacts] = field(default_factory=dict)
    assumed: tuple[str, ...] = ()
    on_groups: str | None = None


def known_by_names(
    tile_of: Mapping[str, Path], base_mpp: float | None, source_mpp: float | None
) -> Known:
    """The facts of tiles by key, as far as names tell them.

    A region that QuPath exported is of its slide's group, any other tile is a group of its own.
    Its microns per pixel are the slide's times the downsample in the name; the slide's are
    `base_mpp`, or read from the first file of it that tells its own. Where neither is known, and of
    other tiles, they are `source_mpp`. Raises InputError if no name is QuPath's although `base_mpp`
    is given, DatasetError if exports differ in downsample and their resolution is not known.
    """
    regions = regions_of(tile_of, base_mpp)
    if not regions:
        return Known(facts={key: TileFacts(group=key, mpp=source_mpp) for key in tile_of})
    base_of, how = _bases(tile_of, regions, base_mpp, source_mpp)
    facts = {key: TileFacts(group=key, mpp=source_mpp) for key in tile_of}
    for key, region in regions.items():
        base = base_of.get(region.slide)
        mpp = source_mpp if base is None else float(f"{base * region.downsample:.6g}")
        facts[key] = TileFacts(group=region.slide, mpp=mpp)
    _require_one_scale({key: item for key, item in regions.items() if item.slide not in base_of})
    slides = list(dict.fromkeys(region.slide for region in regions.values()))
    shown = ", ".join(slides[:_SHOWN]) + ", ..." * (len(slides) > _SHOWN)
    number = "1 slide is" if len(slides) == 1 else f"{len(slides)} slides are"
    on_groups = f"By the names that QuPath gave, {number} the groups: {shown}."
    return Known(facts=facts, assumed=(on_groups, how) if how else (on_groups,),
                 on_groups=on_groups)  # fmt: skip


def _bases(
    tile_of: Mapping[str, Path],
    regions: Mapping[str, Region],
    base_mpp: float | None,
    source_mpp: float | None,
) -> tuple[dict[str, float], str]:
    """Microns per pixel of each slide, where known, and a sentence on how."""
    slides = {region.slide for region in regions.values()}
    downsamples = sorted({region.downsample for region in regions.values()})
    times = ", ".join(f"{item:g}" for item in downsamples[:_SHOWN])
    times += ", ..." * (len(downsamples) > _SHOWN)
    if base_mpp is not None:
        return (
            dict.fromkeys(slides, base_mpp),
            f"Microns per pixel are those of the slides, {base_mpp:g}, times the downsample in "
            f"the names ({times}).",
        )
    if source_mpp is not None:
        return {}, ""
    found: dict[str, float] = {}
    asked: set[str] = set()
    for key, region in regions.items():
        if region.slide in asked:
            continue
        asked.add(region.slide)
        mpp = resolution_of(tile_of[key])
        if mpp is not None:
            found[region.slide] = mpp / region.downsample
    if not found:
        return {}, ""
    told = sorted({float(f"{mpp:.4g}") for mpp in found.values()})
    return found, (
        f"Microns per pixel are read from the first tile of each slide ({told[0]:g}"
        f"{f' to {told[-1]:g}' if len(told) > 1 else ''} for the slides), times the downsample in "
        f"the names ({times})."
    )


def _require_one_scale(regions: Mapping[str, Region]) -> None:
    """Exports of several downsamples must not be taken for one resolution."""
    first_of: dict[float, str] = {}
    for key, region in regions.items():
        first_of.setdefault(region.downsample, key)
    if len(first_of) > 1:
        (one, key), (other, other_key), *_ = first_of.items()
        raise DatasetError(
            f"{key} is {one:g} times and {other_key} is {other:g} times smaller than its slide. "
            "Say how large a pixel of the slides is, --base-mpp 0.25 for instance, and bring all "
            "to one resolution with --mpp."
        )
