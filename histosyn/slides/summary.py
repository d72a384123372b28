"""The summary of a slide and its annotations: facts, problems and notes, no pixels."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from histosyn.annotations.geojson import read_drawing
from histosyn.annotations.placement import Canvas, notes_on, require_on_canvas
from histosyn.slides.pairs import SlidePair
from histosyn.slides.slide import Slide
from hpc.errors import InputError


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
        require_on_canvas(drawing, _slide_of(size))
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
        notes=tuple(notes_on(drawing, _slide_of(size))),
    )


def _slide_of(size: tuple[int, int]) -> Canvas:
    return Canvas(
        name="slide",
        size=size,
        remedy="Annotations are in pixels of the slide at full resolution: see that they are this "
        "slide's, exported from this file.",
    )
