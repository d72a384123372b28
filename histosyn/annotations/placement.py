"""Whether annotations lie where their slide or image is, and what of them is not quite as it is."""

from __future__ import annotations

from dataclasses import dataclass

from histosyn.annotations.geojson import Annotation, Drawing
from hpc.errors import DatasetError

# Outlines drawn along the edge of a slide go over it by no more pixels.
_EDGE_PIXELS = 2.0
_SHOWN = 3


@dataclass(frozen=True, kw_only=True)
class Canvas:
    """What is annotated: its `name`, (H, W) in pixels, and what to do if annotations lie beyond."""

    name: str
    size: tuple[int, int]
    remedy: str


def require_on_canvas(drawing: Drawing, canvas: Canvas) -> None:
    """DatasetError if an annotation lies wholly beyond: it is likely to be of something else."""
    height, width = canvas.size
    beyond = [
        item
        for item in drawing.annotations
        for left, top, right, bottom in [item.shape.bounds]
        if right <= 0 or bottom <= 0 or left >= width or top >= height
    ]
    if beyond:
        left, top, right, bottom = beyond[0].shape.bounds
        raise DatasetError(
            f"{drawing.path}: {_several(beyond)} beyond the {canvas.name}, which has "
            f"{width}x{height} pixels; the first is {beyond[0]}, x {left:.0f} to {right:.0f}, y "
            f"{top:.0f} to {bottom:.0f}. {canvas.remedy}"
        )


def notes_on(drawing: Drawing, canvas: Canvas) -> list[str]:
    """Sentences about what is taken as it is not quite."""
    height, width = canvas.size
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
            f"{drawing.path}: {_several(over)} partly beyond the {canvas.name} "
            f"({width}x{height} pixels) and cut there; the first is {over[0]}."
        )
    if drawing.left_aside:
        shown = ", ".join(f"{count} {kind}" for kind, count in drawing.left_aside.items())
        notes.append(f"{drawing.path}: features that cover no tissue are left aside: {shown}.")
    return notes


def _several(items: list[Annotation]) -> str:
    return "1 annotation lies" if len(items) == 1 else f"{len(items)} annotations lie"
