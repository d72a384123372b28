"""What was seen in label maps: class shares, which classes touch and how long, sizes of objects."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

_TOUCHING = np.ones((3, 3), dtype=int)


@dataclass(frozen=True, kw_only=True, eq=False)
class MapFacts:
    """Of one label map: pixels of each class (K,), and borders (K, K), symmetric, in pixel edges.

    `areas` are the pixels of each object, by kind: those that no edge cuts, and those cut.
    """

    size: tuple[int, int]
    class_pixels: np.ndarray
    borders: np.ndarray
    whole_areas: tuple[np.ndarray, ...]
    cut_areas: tuple[np.ndarray, ...]

    @property
    def pixels(self) -> int:
        """Of the whole map, those without a label included."""
        return self.size[0] * self.size[1]


@dataclass(frozen=True, kw_only=True, eq=False)
class Seen:
    """The most and least of many maps: borders per pixel (K, K), and areas by kind of object.

    `least_area`, `most_area` and `usual_area` (that of the object of a pixel, on average) are
    (kinds,), 0 for a kind that was not seen.
    """

    border_density: np.ndarray
    least_area: np.ndarray
    most_area: np.ndarray
    usual_area: np.ndarray
    pixels: int

    def of_kinds(self, places: Sequence[int]) -> Seen:
        """The same with the kinds in another order."""
        order = list(places)
        return replace(
            self,
            least_area=self.least_area[order],
            most_area=self.most_area[order],
            usual_area=self.usual_area[order],
        )


def facts_of(labels_HW: np.ndarray, classes: int, kinds: Sequence[int]) -> MapFacts:
    """Measure one label map; ignored pixels have neither class nor borders."""
    found = [_areas(labels_HW == kind) for kind in kinds]
    return MapFacts(
        size=(labels_HW.shape[0], labels_HW.shape[1]),
        class_pixels=np.bincount(labels_HW.ravel(), minlength=256)[:classes],
        borders=borders_of(labels_HW, classes),
        whole_areas=tuple(whole for whole, _ in found),
        cut_areas=tuple(cut for _, cut in found),
    )


def borders_of(labels_HW: np.ndarray, classes: int) -> np.ndarray:
    """How many edges of pixels lie between each two classes, int64 (K, K), symmetric."""
    counts = np.zeros(classes * classes, dtype=np.int64)
    for one, other in (
        (labels_HW[:, 1:], labels_HW[:, :-1]),
        (labels_HW[1:], labels_HW[:-1]),
    ):
        differ = (one != other) & (one < classes) & (other < classes)
        pairs = one[differ].astype(np.int64) * classes + other[differ]
        counts += np.bincount(pairs, minlength=classes * classes)
    borders_KK = counts.reshape(classes, classes)
    return borders_KK + borders_KK.T


def seen_in(maps: Iterable[MapFacts], classes: int, kinds: int) -> Seen:
    """The most and least of all these maps, which are looked at one after the other."""
    density_KK = np.zeros((classes, classes))
    least = np.full(kinds, np.iinfo(np.int64).max)
    most, sums, squares = (np.zeros(kinds, dtype=np.int64) for _ in range(3))
    pixels = 0
    for one in maps:
        density_KK = np.maximum(density_KK, one.borders / one.pixels)
        pixels = max(pixels, one.pixels)
        for kind, (whole, cut) in enumerate(zip(one.whole_areas, one.cut_areas, strict=True)):
            every = np.concatenate([whole, cut])
            least[kind] = min(least[kind], whole.min(initial=least[kind]))
            most[kind] = max(most[kind], every.max(initial=0))
            sums[kind] += every.sum()
            squares[kind] += (every**2).sum()
    return Seen(
        border_density=density_KK,
        least_area=np.where(least == np.iinfo(np.int64).max, 0, least),
        most_area=most,
        usual_area=squares / np.maximum(sums, 1),
        pixels=pixels,
    )


def _areas(mask_HW: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pixels of each object, those that no edge cuts and those that one does."""
    numbered_HW, count = ndimage.label(mask_HW, _TOUCHING)
    pixels = np.bincount(numbered_HW.ravel(), minlength=count + 1)
    cut = np.zeros(count + 1, dtype=bool)
    for edge in (numbered_HW[0], numbered_HW[-1], numbered_HW[:, 0], numbered_HW[:, -1]):
        cut[edge] = True
    cut[0] = False
    whole = ~cut
    whole[0] = False
    return pixels[whole], pixels[cut]
