"""Annotations as label maps: classes found by name, areas painted over each other in an order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from histosyn.annotations.classification import bases_of
from histosyn.annotations.geojson import Drawing
from histosyn.annotations.grid import Grid
from histosyn.annotations.shapes import ShapeIndex, inside
from histosyn.labels.schema import LabelSchema
from hpc.errors import LabelError

Overlaps = Literal["later", "schema"]
# QuPath's own classes: what is "Ignore*" is not to be looked at; a "Region*" only says where.
_IGNORED, _FRAME = "ignore*", "region*"


@dataclass(frozen=True, kw_only=True)
class Painted:
    """Class indices uint8 (H, W), and which of them an annotation gave, bool (H, W)."""

    labels: np.ndarray
    covered: np.ndarray


class Painting:
    """The annotations of a slide with their classes, ready to be painted into any window.

    With `overlaps` "later", a later annotation lies over an earlier one, as in QuPath; with
    "schema", a class over those before it in the schema. Raises LabelError for a class that the
    schema has not.
    """

    def __init__(self, drawing: Drawing, schema: LabelSchema, overlaps: Overlaps = "later") -> None:
        counts = Counter(item.name for item in drawing.annotations)
        class_of = classes_of(counts, schema, str(drawing.path))
        painted = [item for item in drawing.annotations if class_of[item.name] is not None]
        if overlaps == "schema":
            # What is ignored comes last, and stays on top.
            painted.sort(key=lambda item: class_of[item.name] or 0)
        self._classes = [class_of[item.name] or 0 for item in painted]
        self._index = ShapeIndex([item.shape for item in painted])

    def touches(self, bounds: tuple[float, float, float, float]) -> bool:
        """Whether an annotation may lie in a rectangle (left, top, right, bottom)."""
        return bool(self._index.touching(bounds))

    def paint(self, grid: Grid, blank: int) -> Painted:
        """The label map of a window; `blank` is the class where there is no annotation."""
        labels = np.full(grid.size, blank, dtype=np.uint8)
        covered = np.zeros(grid.size, dtype=bool)
        for number in self._index.touching(grid.bounds):
            mask = inside(self._index.shapes[number], grid)
            labels[mask] = self._classes[number]
            covered |= mask
        return Painted(labels=labels, covered=covered)


def is_painted(name: str | None) -> bool:
    """Whether annotations of this class say what tissue is, and not only where or "not here"."""
    return name is not None and name.casefold() not in (_IGNORED, _FRAME)


def class_for(name: str | None, schema: LabelSchema) -> int | None:
    """The class index for a name of QuPath's, as `class_named`; None for what is not painted.

    That is an annotation without class, and a "Region*" that the schema does not have. "Ignore*"
    is what the schema ignores. Raises LookupError for an unknown name.
    """
    if name is None:
        return None
    found = class_named(name, schema)
    if found is not None:
        return found
    if name.casefold() == _FRAME:
        return None
    if name.casefold() == _IGNORED and schema.ignore is not None:
        return schema.ignore
    raise LookupError(name)


def class_named(name: str, schema: LabelSchema) -> int | None:
    """The class of a name: the very name, or the same in other letters; else what it is derived of.

    "Tumor: Positive" is "Tumor" unless the schema has it.
    """
    names = [item.name for item in schema.classes]
    folded = [each.casefold() for each in names]
    for base in bases_of(name):
        if base in names:
            return names.index(base)
        if base.casefold() in folded:
            return folded.index(base.casefold())
    return None


def classes_of(
    counts: Mapping[str | None, int], schema: LabelSchema, name: str
) -> dict[str | None, int | None]:
    """The class index of each name that annotations have, as `class_for`, and how many have it.

    Raises LabelError, calling the file `name`, if the schema lacks some.
    """
    found: dict[str | None, int | None] = {}
    unknown = []
    for each in counts:
        try:
            found[each] = class_for(each, schema)
        except LookupError:
            unknown.append(str(each))
    if unknown:
        raise LabelError(f"{name} {_unknown_text(counts, unknown, schema)}")
    return found


def _unknown_text(
    counts: Mapping[str | None, int], names: Sequence[str], schema: LabelSchema
) -> str:
    shown = ", ".join(f"{name!r} ({counts[name]} annotations)" for name in names[:8])
    has = ", ".join(item.name for item in schema.classes)
    remedy = (
        "Let it ignore something: ignore = 255."
        if names[0].casefold() == _IGNORED
        else "Add the class to the schema, or reclassify the annotations in QuPath."
    )
    return f"has classes that schema {schema.name} ({has}) does not have: {shown}. {remedy}"
