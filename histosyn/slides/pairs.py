"""Pairing slides with GeoJSON files by name. Opens neither."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from histosyn.images.folder import search_folder
from histosyn.images.formats import IMAGE_SUFFIXES, SLIDE_SUFFIXES
from hpc.errors import DatasetError
from hpc.files import require_folder

ANNOTATION_SUFFIX = ".geojson"
logger = logging.getLogger("histosyn")


@dataclass(frozen=True, kw_only=True)
class SlidePair:
    """A slide and its annotations; `key` is the path below the folder without type."""

    key: str
    slide: Path
    annotations: Path


@dataclass(frozen=True, kw_only=True)
class SlidePairing:
    """What two folders hold: pairs in the order of their keys, and what has no partner."""

    pairs: tuple[SlidePair, ...]
    slides_without_annotations: tuple[Path, ...]
    annotations_without_slide: tuple[Path, ...]


def holds_slides(slides: Path, annotations: Path) -> bool:
    """Whether two folders, or one given twice, hold slides and GeoJSON, not tiles and label maps.

    There is GeoJSON then, and no image that could be the label map of a file of the same name.
    """
    if not (slides.is_dir() and annotations.is_dir()):
        return False
    if not _files(annotations, frozenset({ANNOTATION_SUFFIX})):
        return False
    stems = {path.stem for path in _files(slides, SLIDE_SUFFIXES | IMAGE_SUFFIXES)}
    pictures = _files(annotations, IMAGE_SUFFIXES - SLIDE_SUFFIXES)
    if slides.resolve() == annotations.resolve():
        stems = {path.stem for path in _files(slides, SLIDE_SUFFIXES)}
    return not any(path.stem in stems for path in pictures) and bool(_files(slides, SLIDE_SUFFIXES))


def pair_slides(slides: Path, annotations: Path) -> SlidePairing:
    """Pair slides with GeoJSON of the same name: a.svs with a.geojson or a.svs.geojson.

    Raises InputError if a folder is missing, DatasetError if two files have the same name.
    """
    slide_of = _by_key(_files(require_folder(slides, "folder of slides"), SLIDE_SUFFIXES), slides)
    drawn = require_folder(annotations, "folder of annotations")
    drawing_of = _by_key(_files(drawn, frozenset({ANNOTATION_SUFFIX})), drawn)
    return SlidePairing(
        pairs=tuple(
            SlidePair(key=key, slide=path, annotations=drawing_of[key])
            for key, path in slide_of.items()
            if key in drawing_of
        ),
        slides_without_annotations=tuple(
            path for key, path in slide_of.items() if key not in drawing_of
        ),
        annotations_without_slide=tuple(
            path for key, path in drawing_of.items() if key not in slide_of
        ),
    )


def _files(folder: Path, suffixes: frozenset[str]) -> tuple[Path, ...]:
    return search_folder(folder, suffixes).images


def _by_key(paths: Iterable[Path], folder: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in paths:
        bare = path.relative_to(folder).with_suffix("")
        if path.suffix.lower() == ANNOTATION_SUFFIX and bare.suffix.lower() in SLIDE_SUFFIXES:
            bare = bare.with_suffix("")
        if bare.as_posix() in found:
            raise DatasetError(
                f"{found[bare.as_posix()]} and {path} have the same name but for the type. "
                "Remove one."
            )
        found[bare.as_posix()] = path
    return dict(sorted(found.items()))
