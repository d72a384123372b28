"""Annotations as a label map of any size, drawn window by window into a file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from histosyn.annotations.geojson import LARGEST_GEOJSON_BYTES, Drawing, read_drawing
from histosyn.annotations.painting import Painting, class_for
from histosyn.annotations.placement import Canvas, notes_on, require_on_canvas
from histosyn.annotations.shapes import Grid, inside
from histosyn.labels.field import FileField, Window, write_field
from histosyn.labels.schema import LabelSchema
from hpc.errors import DatasetError, LabelError
from hpc.json_toml import content_of, plain_json
from hpc.log import logger

_WINDOW = 2048
# Of a file that cannot be read: reading it to be drawn tells what is wrong with it.
_UNREADABLE = 1, 1


def extent_of(path: Path) -> tuple[int, int] | None:
    """Height and width that a GeoJSON file says of itself by its `bbox`; None without one.

    RFC 7946, chapter 5: left, top, right, bottom, here of pixels, from 0. A damaged file has some
    extent, so that it fails alone, when it is drawn.
    """
    try:
        content = plain_json(content_of(path, LARGEST_GEOJSON_BYTES), finite=False)
    except (OSError, ValueError):
        return _UNREADABLE
    box = content.get("bbox") if isinstance(content, dict) else None
    if not isinstance(box, list) or len(box) != 4:
        return None
    if not all(type(side) in (int, float) and side >= 0 for side in box):
        return None
    return (int(box[3]), int(box[2])) if min(box[2:]) >= 1 else None


def field_of_drawing(
    path: Path,
    schema: LabelSchema,
    kept: Path,
    size: tuple[int, int],
    step: float,
    unannotated: str | None,
) -> FileField:
    """The label map of annotations, (H, W) pixels of `step` pixels of the slide each.

    What no annotation covers is the class `unannotated`, or what the schema ignores. Its class
    indices go into the file `kept`, unless it is there. Raises DatasetError and LabelError as
    `read_drawing`, `require_on_canvas` and `Painting` do, and if nothing is said of what is not
    covered.
    """
    if not kept.exists():
        blank = _blank(path, schema, unannotated)
        painting = Painting(_drawing(path, size, step), schema)
        write_field(kept, size, _windows(painting, size, step, blank))
    return FileField(kept, size)


def labels_of_drawing(
    path: Path, schema: LabelSchema, size: tuple[int, int], step: float, unannotated: str | None
) -> np.ndarray:
    """The same in memory, uint8 (H, W)."""
    blank = _blank(path, schema, unannotated)
    grid = Grid(left=0, top=0, step=step, size=size)
    return Painting(_drawing(path, size, step), schema).paint(grid, blank).labels


def mask_of_drawing(path: Path, size: tuple[int, int], step: float) -> np.ndarray:
    """Where any annotation of a file lies, bool (H, W), whatever its class."""
    grid = Grid(left=0, top=0, step=step, size=size)
    found = np.zeros(size, bool)
    for annotation in read_drawing(path).annotations:
        found |= inside(annotation.shape, grid)
    return found


def _drawing(path: Path, size: tuple[int, int], step: float) -> Drawing:
    """The annotations of an image; what was taken as it is not quite is told."""
    drawing = read_drawing(path)
    image = Canvas(
        name="image",
        size=(round(size[0] * step), round(size[1] * step)),
        remedy='That size is what --extent or the file\'s "bbox" says: correct it, or remove them.',
    )
    require_on_canvas(drawing, image)
    for note in notes_on(drawing, image):
        logger.warning("%s", note)
    return drawing


def _blank(path: Path, schema: LabelSchema, unannotated: str | None) -> int:
    names = ", ".join(item.name for item in schema.classes)
    if unannotated is None:
        if schema.ignore is None:
            raise LabelError(
                f"{path}: what lies where there is no annotation? Name a class of {schema.name} "
                f"({names}) with --unannotated."
            )
        return schema.ignore
    try:
        found = class_for(unannotated, schema)
    except LookupError:
        found = None
    if found is None:
        raise LabelError(f"--unannotated {unannotated} is no class of {schema.name}: {names}.")
    return found


def _windows(
    painting: Painting, size: tuple[int, int], step: float, blank: int
) -> Iterator[Window]:
    height, width = size
    if height * width == 0:
        raise DatasetError("A label map of no pixels cannot be drawn.")
    for top in range(0, height, _WINDOW):
        for left in range(0, width, _WINDOW):
            window = min(_WINDOW, height - top), min(_WINDOW, width - left)
            grid = Grid(left=left * step, top=top * step, step=step, size=window)
            yield top, left, painting.paint(grid, blank).labels
