"""What is measured in one label map: class shares, objects, what touches what, and how long."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from histosyn.new_labels.seen import borders_of

Floats = NDArray[np.float64]

# A map's objects are told by so many quantiles, so that each map counts alike.
QUANTILES = 16
_LEVELS = (np.arange(QUANTILES) + 0.5) / QUANTILES
_TOUCHING = np.ones((3, 3), dtype=int)
_PER_MEGAPIXEL = 1e6


@dataclass(frozen=True, kw_only=True, eq=False)
class KindMeasures:
    """Of the objects of one kind: how many a megapixel, quantiles of size and of spacing.

    `log_areas` are log2 of pixels, of objects that no edge cuts; `spacings` pixels from centre to
    nearest centre. Both (16,), NaN where there are too few objects.
    """

    density: float
    log_areas: Floats
    spacings: Floats


@dataclass(frozen=True, kw_only=True, eq=False)
class MapMeasures:
    """Of one map: class `shares` (K,), `borders` (K, K) in edges of pixels a pixel, and kinds."""

    shares: Floats
    borders: Floats
    kinds: tuple[KindMeasures, ...]

    @property
    def boundary_length(self) -> float:
        """Edges of pixels between classes, a pixel."""
        return float(self.borders.sum() / 2)

    @property
    def contacts(self) -> Floats:
        """Borders as shares of all, (K, K); NaN without any border."""
        total = self.borders.sum()
        return self.borders / total if total else np.full_like(self.borders, np.nan)


def measures_of(
    labels_HW: NDArray[np.uint8], classes: int, kinds: Sequence[int]
) -> MapMeasures | None:
    """Measure a label map; ignored pixels count nowhere. None if no pixel has a label."""
    counts = np.bincount(labels_HW.ravel(), minlength=256)[:classes]
    pixels = int(counts.sum())
    if not pixels:
        return None
    return MapMeasures(
        shares=counts / pixels,
        borders=borders_of(labels_HW, classes) / pixels,
        kinds=tuple(_of_kind(labels_HW == kind, pixels) for kind in kinds),
    )


def _of_kind(mask_HW: NDArray[np.bool_], pixels: int) -> KindMeasures:
    numbered_HW, count = ndimage.label(mask_HW, _TOUCHING)
    areas = np.bincount(numbered_HW.ravel(), minlength=count + 1).astype(np.float64)
    whole = np.ones(count + 1, dtype=bool)
    for edge in (numbered_HW[0], numbered_HW[-1], numbered_HW[:, 0], numbered_HW[:, -1]):
        whole[edge] = False
    whole[0] = False
    return KindMeasures(
        density=count / pixels * _PER_MEGAPIXEL,
        log_areas=_quantiles(np.log2(areas[whole])),
        spacings=_quantiles(_spacings(numbered_HW, count)),
    )


def _spacings(numbered_HW: NDArray[np.int32], count: int) -> Floats:
    if count < 2:
        return np.zeros(0)
    rows, columns = np.nonzero(numbered_HW)
    owner = numbered_HW[rows, columns]
    areas = np.bincount(owner, minlength=count + 1)[1:]
    centres = [np.bincount(owner, weights=axis, minlength=count + 1)[1:] / areas
               for axis in (rows, columns)]  # fmt: skip
    points = np.stack(centres, axis=1)
    return np.asarray(cKDTree(points).query(points, k=2)[0][:, 1])


def _quantiles(values: Floats) -> Floats:
    return np.quantile(values, _LEVELS) if values.size else np.full(QUANTILES, np.nan)
