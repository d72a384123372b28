"""The summary of a slide and its annotations: facts, problems and notes, no pixels."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from histosyn.annotations.geojson import Annotation, Drawing, read_drawing
from histosyn.slides.pairs import SlidePair
from histosyn.slides.slide import Slide
from hpc.errors import DatasetError, InputError

# Outlines drawn along the edge of a slide go over it by no more pixels.
_EDGE_PIXELS = 2.0
_SHOWN = 3


@dataclass(frozen=True, kw_only=True)
class SlideSummary:
    """What is known of a slide. One that cannot be used has a `problem`, and perhaps nothing else.

    `size` is (H, W) in pixels at full resolution, `mpp` that of these pixels. `counts` counts
    annotations by name, None for those without a class; `areas` adds up their pixels; `colors` are
    those that QuPath gives. `notes` are sentences about what was taken as it is not quite.
    """

    pair: SlidePair
    problem: str | None = None
    size: tuple[int, int] | None = None
    mpp: float | None = None
    counts: Counter[str | None] = field(default_factory=Counter)
    areas: dict[str | None, float] = field(default_factory=dict)
    colors: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def summarize_slide(pair: SlidePair) -> SlideSummary:
    """Open a slide, read its annotations, and look whether they belong together."""
    try:
        with Slide(pair.slide) as slide:
            size, mpp = slide.size, slide.mpp
        drawing = read_drawing(pair.annotations)
        _require_on_slide(drawing, size)
    except InputError as error:
        return SlideSummary(pair=pair, problem=str(error))
    areas: dict[str | None, float] = {}
    for item in drawing.annotations:
        areas[item.name] = areas.get(item.name, 0.0) + item.shape.area
    named = [item for item in drawing.annotations if item.name is not None and item.color]
    return SlideSummary(
        pair=pair,
        size=size,
        mpp=mpp,
        counts=Counter(item.name for item in drawing.annotations),
        areas=areas,
        colors={str(item.name): str(item.color) for item in reversed(named)},
        notes=tuple(_notes(drawing, size)),
    )


def _require_on_slide(drawing: Drawing, size: tuple[int, int]) -> None:
    height, width = size
    beyond = [
        item
        for item in drawing.annotations
        for left, top, right, bottom in [item.shape.bounds]
        if right <= 0 or bottom <= 0 or left >= width or top >= height
    ]
    if beyond:
        left, top, right, bottom = beyond[0].shape.bounds
        raise DatasetError(
            f"{drawing.path}: {_several(beyond)} beyond the slide, which has {width}x{height} "
            f"pixels; the first is {beyond[0]}, x {left:.0f} to {right:.0f}, y {top:.0f} to "
            f"{bottom:.0f}. Annotations are in pixels of the slide at full resolution: see that "
            "they are this slide's, exported from this file."
        )


def _notes(drawing: Drawing, size: tuple[int, int]) -> list[str]:
    height, width = size
    over = [
        item
        for item in drawing.annotations
        for left, top, right, bottom in [item.shape.bounds]
        if min(left, top, width - right, height - bottom) < -_EDGE_PIXELS
    ]
    notes = []
    if drawing.repaired:
        shown = "; ".join(drawing.repaired[:_SHOWN])
        more = f" and {len(drawing.repaired) - _SHOWN} more" * (len(drawing.repaired) > _SHOWN)
        notes.append(
            f"{drawing.path}: outlines that cross themselves were taken for all that they "
            f"enclose: {shown}{more}. Look at them in QuPath."
        )
    if over:
        notes.append(
            f"{drawing.path}: {_several(over)} partly beyond the slide ({width}x{height} pixels) "
            f"and cut there; the first is {over[0]}."
        )
    if drawing.left_aside:
        shown = ", ".join(f"{count} {kind}" for kind, count in drawing.left_aside.items())
        notes.append(f"{drawing.path}: features that cover no tissue are left aside: {shown}.")
    return notes


def _several(items: list[Annotation]) -> str:
    return "1 annotation lies" if len(items) == 1 else f"{len(items)} annotations lie"
