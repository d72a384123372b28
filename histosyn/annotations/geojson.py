"""Reading annotations from GeoJSON as QuPath, and what writes like it, exports it.

A FeatureCollection, a list of features or one feature, in pixels of the slide at full resolution.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from histosyn.annotations.classification import class_color, class_name
from histosyn.annotations.shapes import Shape, crossing_of, polygons_of, repaired
from hpc.errors import DatasetError
from hpc.json_toml import content_of, plain_json

ANNOTATION_SUFFIXES = frozenset({".geojson", ".json"})
# A million nuclei of 40 corners each take about 1 GB.
LARGEST_GEOJSON_BYTES = 4 << 30
# Objects of QuPath that are no tissue: a grid, cores of an array, the slide itself.
_FRAMES = ("tile", "tmaCore", "root")
_EXPORT = "Export it from QuPath again: File, Export objects as GeoJSON, FeatureCollection."


@dataclass(frozen=True, kw_only=True)
class Annotation:
    """An area of a class; `number` counts the features of its file from 1."""

    number: int
    name: str | None
    color: str | None
    shape: Shape

    def __str__(self) -> str:
        return f"feature {self.number} ({self.name or 'not classified'})"


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """The annotations of a slide in their order, which is that of painting.

    `repaired` says of each outline that crossed itself where it did; `left_aside` counts features
    that cover no tissue, by what they are.
    """

    path: Path
    annotations: tuple[Annotation, ...]
    repaired: tuple[str, ...] = ()
    left_aside: Counter[str] = field(default_factory=Counter)


def read_drawing(path: Path) -> Drawing:
    """Read a GeoJSON file.

    Raises DatasetError that names file and feature for what is no GeoJSON, is not UTF-8, or has a
    coordinate that is no number.
    """
    annotations, mended, aside = [], [], Counter[str]()
    for number, feature in enumerate(_features(_content(path), path), 1):
        properties = feature.get("properties") or {}
        kind = _aside(feature, properties)
        name = class_name(properties)
        what = f"feature {number} ({name or 'not classified'})"
        shape = None if kind else _shape(feature["geometry"], f"{path}, {what}")
        if shape is not None and (crossing := crossing_of(shape)):
            mended.append(f"{what}: {crossing}")
            shape = repaired(shape)
        if shape is None:
            aside[kind or "without area"] += 1
            continue
        annotations.append(
            Annotation(number=number, name=name, color=class_color(properties), shape=shape)
        )
    return Drawing(
        path=path, annotations=tuple(annotations), repaired=tuple(mended), left_aside=aside
    )


def _content(path: Path) -> Any:
    try:
        data = content_of(path, LARGEST_GEOJSON_BYTES).removeprefix(b"\xef\xbb\xbf")
        data.decode()
        # NaN and infinity, which no JSON has and programs write, are found where they stand.
        return plain_json(data, finite=False)
    except UnicodeDecodeError as error:
        raise DatasetError(
            f"{path} is not UTF-8 text ({error.reason} at byte {error.start}). Save it as UTF-8, "
            "as QuPath does."
        ) from error
    except OSError as error:
        raise DatasetError(f"{path} cannot be read ({error.strerror}). Check it.") from error
    except ValueError as error:
        raise DatasetError(f"{path} is no JSON ({error}). {_EXPORT}") from error


def _features(content: Any, path: Path) -> Iterator[dict[str, Any]]:
    if isinstance(content, dict) and content.get("type") == "Feature":
        content = [content]
    elif isinstance(content, dict) and "features" in content:
        content = content["features"]
    if not isinstance(content, list):
        raise DatasetError(f"{path} holds no features, so it is no GeoJSON of objects. {_EXPORT}")
    for number, feature in enumerate(content, 1):
        if not isinstance(feature, dict) or not isinstance(feature.get("properties") or {}, dict):
            raise DatasetError(f"{path}, feature {number} is no GeoJSON feature. {_EXPORT}")
        yield feature


def _aside(feature: Mapping[str, Any], properties: Mapping[str, Any]) -> str | None:
    """What a feature is that covers no tissue."""
    geometry = feature.get("geometry")
    if not isinstance(geometry, dict):
        return "without area"
    if properties.get("objectType") in _FRAMES:
        return f"of type {properties['objectType']}"
    kind = geometry.get("type")
    return None if kind in ("Polygon", "MultiPolygon") else f"of type {kind}"


def _shape(geometry: Mapping[str, Any], what: str) -> Shape | None:
    coordinates = geometry.get("coordinates")
    polygons: Any = coordinates if geometry["type"] == "MultiPolygon" else [coordinates]
    try:
        rings_of = [[_ring(ring) for ring in polygon] for polygon in polygons or ()]
    except (TypeError, ValueError, LookupError, OverflowError) as error:
        raise DatasetError(f"{what} has coordinates that are none ({error}). {_EXPORT}") from error
    for ring in (ring for rings in rings_of for ring in rings):
        if not np.isfinite(ring).all():
            corner = int(np.flatnonzero(~np.isfinite(ring).all(axis=1))[0]) + 1
            raise DatasetError(
                f"{what} has a corner, number {corner}, whose place is no number (NaN or "
                "infinite). Draw it again, or remove it."
            )
    return polygons_of(rings_of)


def _ring(points: Any) -> np.ndarray:
    """Corners as float (n, 2); a third coordinate, which GeoJSON allows, is dropped."""
    return np.array([(float(point[0]), float(point[1])) for point in points]).reshape(-1, 2)
