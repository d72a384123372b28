"""Label maps that number objects (instance maps: gland 1, gland 2, ...) instead of naming classes.

As classes their values mean nothing: gland 3 of one tile has nothing in common with gland 3 of
another. What gives them away: each number is one connected area, and they count from 1.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from histosyn.images.file import opened_image
from histosyn.images.matlab import MATLAB_SUFFIX, read_matlab_labels
from histosyn.labels.label_map import LabelSchema, is_our_own, meaning_of
from histosyn.labels.pixel_values import PixelValues, index_pixel_values, read_pixel_values
from hpc.errors import ConfigError, InputError, LabelError

logger = logging.getLogger("histosyn")

# Said instead of a class: that values are classes although they look like numbers of objects.
NO_OBJECTS = "none"

_IGNORED = 255
# A few objects lie in two pieces where a tile's edge cuts them; of a class most areas do.
_ALONE_SHARE = 0.9
_COUNTING_SHARE = 0.95
_FEWEST_AREAS = 10
_FEWEST_NUMBERS = 4
# So many values of one file, or of all, each one area, are no classes even if they don't count.
_MANY_IN_A_FILE = 12
_MANY_IN_ALL = 16
# The boxes around objects cover a map a few times at most; those around classes, once each.
_MOST_COVER = 16
_LOOKED_AT = 50


@dataclass(frozen=True, kw_only=True)
class Areas:
    """The values of one index file but for 0, and in how many of them all pixels are connected."""

    values: frozenset[int]
    alone: int

    @property
    def counts(self) -> bool:
        """Whether the values are 1, 2, 3, ... without a gap."""
        return max(self.values) == len(self.values)


def areas_of(values_HW: np.ndarray) -> Areas | None:
    """The areas of an index file's values; None if it has nothing but 0 (and 255, if apart)."""
    values = set(np.flatnonzero(np.bincount(values_HW.ravel(), minlength=256)).tolist()) - {0}
    if _IGNORED - 1 not in values:
        values.discard(_IGNORED)
    if not values:
        return None
    # Imported here: of all commands only those that look at label maps as they come need it.
    from scipy import ndimage

    boxes = ndimage.find_objects(values_HW)
    sizes = [values_HW[boxes[value - 1]].size for value in values]
    if sum(sizes) > _MOST_COVER * values_HW.size:
        return Areas(values=frozenset(values), alone=0)
    touching = np.ones((3, 3), dtype=int)
    alone = sum(
        ndimage.label(values_HW[boxes[value - 1]] == value, touching)[1] == 1 for value in values
    )
    return Areas(values=frozenset(values), alone=alone)


@dataclass(kw_only=True)
class Numbering:
    """What the index files of a set have in common, as far as it tells objects from classes."""

    files: int = 0
    areas: int = 0
    alone: int = 0
    counting: int = 0
    numbers: set[int] = field(default_factory=set)
    values: set[int] = field(default_factory=set)
    example: tuple[str, int] = ("", 0)

    def count(self, name: str, areas: Areas) -> None:
        """Take in one more file."""
        self.files += 1
        self.areas += len(areas.values)
        self.alone += areas.alone
        self.counting += areas.counts
        self.numbers.add(len(areas.values))
        self.values |= areas.values
        self.example = max(self.example, (name, len(areas.values)), key=lambda item: item[1])

    @property
    def numbers_objects(self) -> bool:
        """Whether the values look like numbers of objects rather than classes.

        Nearly all are one connected area in their file, and either whoever has 5 has 1 to 4 and
        files differ in how many they have, or there are more values than classes would be.
        """
        if self.areas < _FEWEST_AREAS or self.alone < _ALONE_SHARE * self.areas:
            return False
        most = max(self.numbers)
        counts = self.counting >= _COUNTING_SHARE * self.files
        varies = len(self.numbers) >= min(self.files, 3)
        nested = counts and varies and self.files > 1 and most >= _FEWEST_NUMBERS
        return nested or most >= _MANY_IN_A_FILE or len(self.values) >= _MANY_IN_ALL

    @property
    def reason(self) -> str:
        """Why the values are taken for numbers of objects, for people."""
        name, most = self.example
        nested = ", and they count from 1" if self.counting == self.files else ""
        return (
            f"{self.alone} of {self.areas} values are one connected area in their file{nested}; "
            f"{name} has {most}"
        )


def warn_of_objects(paths: Sequence[Path], schema: LabelSchema) -> None:
    """Log a warning if label maps (of all, so many spread over them are read) number objects.

    For readers that take class maps and have no say in what they are; files that cannot be read
    are left to them.
    """
    numbering = Numbering()
    for path in paths[:: max(1, len(paths) // _LOOKED_AT)]:
        try:
            pixel_values, value_of_pixel_HW = read_pixel_values(path, str(path))
        except InputError:
            continue
        if (
            pixel_values.indices is None
            or is_our_own(pixel_values, schema)
            or meaning_of(pixel_values, schema).by_color
        ):
            continue
        areas = areas_of(pixel_values.indices[value_of_pixel_HW])
        if areas is not None:
            numbering.count(path.name, areas)
    if numbering.numbers_objects:
        logger.warning(
            "Label maps seem to number objects (instances) instead of naming classes: %s. As "
            "classes of %s their numbers mean nothing; histosyn pack --objects-are CLASS folds "
            "them.",
            numbering.reason,
            schema.name,
        )


def class_for_objects(name: str, schema: LabelSchema) -> int:
    """The index of the class that objects become; ConfigError if it is none or the first one."""
    names = [item.name for item in schema.classes]
    if name not in names:
        raise ConfigError(
            f"--objects-are {name}: schema {schema.name} has no such class, but {', '.join(names)}."
        )
    if names[0] == name:
        raise ConfigError(
            f"--objects-are {name}: that is the first class of schema {schema.name}, which pixels "
            "of no object become. Name another one."
        )
    return names.index(name)


def read_objects(path: Path, index: int, name: str) -> np.ndarray:
    """Read an instance map: class `index` where there is an object, else 0; uint8 (H, W).

    Raises DatasetError for a damaged file, LabelError for one that cannot hold numbers.
    """
    if path.suffix.lower() == MATLAB_SUFFIX:
        numbers_HW = read_matlab_labels(path, name)
    else:
        with opened_image(path, name, lossless=True) as image:
            numbers_HW = np.asarray(image)
            if image.mode == "RGB" and (numbers_HW == numbers_HW[..., :1]).all():
                numbers_HW = numbers_HW[..., 0]  # grays, which some programs write as colours
            elif image.mode[:1] not in ("L", "P", "I") or "A" in image.mode:
                raise LabelError(
                    f"{name} has mode {image.mode}; numbered objects are 8 or 16 bits of gray or a "
                    "palette. Export the label map again."
                )
    return np.where(numbers_HW > 0, np.uint8(index), np.uint8(0))


def folded_pixel_values(
    path: Path, name: str, schema: LabelSchema, objects: str
) -> tuple[PixelValues, np.ndarray]:
    """Pixel values of an instance map as if written in the schema's indices and colours.

    With them comes which of them each pixel has: uint8 (H, W).
    """
    labels_HW = read_objects(path, class_for_objects(objects, schema), name)
    pixel_values, value_of_pixel_HW = index_pixel_values(labels_HW)
    return replace(
        pixel_values, colors=schema.file_palette[pixel_values.indices]
    ), value_of_pixel_HW
