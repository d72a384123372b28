"""Sizes of the objects (connected components) of each class: they reveal another resolution.

Nuclei are as wide in one lab as in another. A model remembers how wide, in pixels, those of its
training label maps were; label maps whose nuclei are twice as wide are at another resolution.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Any

import numpy as np
from msgspec import Meta
from scipy import ndimage

from histosyn.labels.label_map import LabelSchema
from hpc.records import Positive

# Smaller areas are specks of drawing or of compression.
_LEAST_PIXELS = 12
# Of fewer objects a median says little.
_LEAST_OBJECTS = 20
# Tissue differs by less from lab to lab, usual magnifications (40x, 20x, 10x) by 2 and more.
_UNUSUAL_RATIO = 1.5
# Label maps that are looked at.
SAMPLE = 32


Diameter = Annotated[float, Meta(gt=0, le=1e6)]


@dataclass(frozen=True, kw_only=True)
class ObjectSizes:
    """The connected areas of a class: how many were seen, and their median diameter in pixels.

    Diameters are those of circles of the same area.
    """

    count: Positive
    median_diameter: Diameter


@dataclass(frozen=True, kw_only=True)
class OddSizes:
    """A class whose objects are `ratio` times as wide as in training."""

    name: str
    here: ObjectSizes
    training: ObjectSizes

    @property
    def ratio(self) -> float:
        """Above 1 if they are wider here."""
        return self.here.median_diameter / self.training.median_diameter


Sizes = dict[str, ObjectSizes]


def measure_objects(label_maps: Iterable[np.ndarray], schema: LabelSchema) -> Sizes:
    """The sizes of objects that lie whole in one of these maps (H, W), by class.

    Classes with few objects are left out.
    """
    areas: defaultdict[int, list[np.ndarray]] = defaultdict(list)
    for labels_HW in label_maps:
        for index in np.unique(labels_HW):
            if index < len(schema):
                areas[int(index)].append(_areas(labels_HW == index))
    measured: Sizes = {}
    for index, of_maps in sorted(areas.items()):
        pixels = np.concatenate(of_maps)
        if len(pixels) >= _LEAST_OBJECTS:
            diameter = 2 * math.sqrt(float(np.median(pixels)) / math.pi)
            measured[schema.classes[index].name] = ObjectSizes(
                count=len(pixels), median_diameter=round(diameter, 2)
            )
    return measured


def odd_sizes(
    here: Mapping[str, ObjectSizes], training: Mapping[str, ObjectSizes]
) -> OddSizes | None:
    """The commonest kind of object, if it has an unusual size here.

    What several kinds have in common is the resolution, and the commonest one shows it best; rarer
    ones differ for other reasons as well.
    """
    common = [
        OddSizes(name=name, here=sizes, training=training[name])
        for name, sizes in here.items()
        if name in training
    ]
    if not common:
        return None
    found = max(common, key=lambda each: min(each.here.count, each.training.count))
    usual = 1 / _UNUSUAL_RATIO < found.ratio < _UNUSUAL_RATIO
    return None if usual else found


def sizes_as_plain(sizes: Mapping[str, ObjectSizes]) -> dict[str, Any]:
    """As in a model's `config.json`."""
    return {name: asdict(each) for name, each in sizes.items()}


def _areas(mask_HW: np.ndarray) -> np.ndarray:
    """The pixels of each object that no edge cuts."""
    numbered, count = ndimage.label(mask_HW)
    pixels = np.bincount(numbered.ravel(), minlength=count + 1)
    pixels[0] = 0
    for edge in (numbered[0], numbered[-1], numbered[:, 0], numbered[:, -1]):
        pixels[edge] = 0
    return pixels[pixels >= _LEAST_PIXELS]
