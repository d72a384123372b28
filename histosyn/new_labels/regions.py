"""A label map taken apart: its objects, lifted off layer by layer, and the ground that is left.

Small kinds of objects (nuclei) lie on large ones (glands), these on the ground. Lifting an object
off fills what was below it from what surrounds it; putting all back gives the map again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

_TOUCHING = np.ones((3, 3), dtype=int)


@dataclass(frozen=True, kw_only=True, eq=False)
class Region:
    """An object with all that lies inside it: the box from (`top`, `left`), as large as `mask`.

    `mask` bool and `content` uint8, class indices, are (h, w); `below`, bool (256,), are the
    classes that were found under it. It is `whole` if no edge cuts it and no pixel is ignored.
    `parents` are the numbers of the regions it lies in, of each larger kind; -1 where in none.
    """

    kind: int
    top: int
    left: int
    mask: np.ndarray
    content: np.ndarray
    below: np.ndarray
    whole: bool
    parents: tuple[int, ...] = ()

    @property
    def box(self) -> tuple[slice, slice]:
        """Where it lies in its map."""
        height, width = self.mask.shape
        return slice(self.top, self.top + height), slice(self.left, self.left + width)


@dataclass(frozen=True, kw_only=True, eq=False)
class Layers:
    """The `ground` uint8 (H, W), and the regions of each kind, from the smallest kind on."""

    ground: np.ndarray
    regions: tuple[tuple[Region, ...], ...]


def taken_apart(labels_HW: np.ndarray, kinds: Sequence[int], ignore: int | None) -> Layers:
    """Lift the objects of these classes off, the smallest kind first."""
    base_HW, found = labels_HW, []
    numbered_before: list[np.ndarray] = []
    for place, kind in enumerate(kinds):
        numbered_HW = _numbered(base_HW, kind, kinds[place + 1 :])
        below_HW = _filled(base_HW, numbered_HW > 0, ignore)
        found.append(_regions(base_HW, below_HW, numbered_HW, kind, ignore))
        numbered_before.append(numbered_HW)
        base_HW = base_HW if below_HW is None else below_HW
    regions = [
        tuple(_with_parents(region, numbered_before[place + 1 :]) for region in of_kind)
        for place, of_kind in enumerate(found)
    ]
    return Layers(ground=base_HW, regions=tuple(regions))


def _numbered(base_HW: np.ndarray, kind: int, larger: Sequence[int]) -> np.ndarray:
    """Number the objects of a kind, holes included, but for holes that hold a larger kind."""
    mask_HW = base_HW == kind
    holes_HW, count = ndimage.label(~mask_HW)
    open_ = np.zeros(count + 1, dtype=bool)
    open_[0] = True
    for edge in (holes_HW[0], holes_HW[-1], holes_HW[:, 0], holes_HW[:, -1]):
        open_[edge] = True
    open_[holes_HW[np.isin(base_HW, np.array(larger, dtype=np.int64))]] = True
    numbered_HW, _ = ndimage.label(mask_HW | ~open_[holes_HW], _TOUCHING)
    return np.asarray(numbered_HW)


def _filled(base_HW: np.ndarray, lifted_HW: np.ndarray, ignore: int | None) -> np.ndarray | None:
    """The map with the nearest other class where something was lifted; None if there is none."""
    if not lifted_HW.any():
        return base_HW
    source_HW = ~lifted_HW
    if ignore is not None:
        source_HW &= base_HW != ignore
    if not source_HW.any():
        return None
    nearest = ndimage.distance_transform_edt(
        ~source_HW, return_distances=False, return_indices=True
    )
    keep_HW = ~lifted_HW if ignore is None else ~lifted_HW | (base_HW == ignore)
    return np.where(keep_HW, base_HW, base_HW[tuple(nearest)])


def _regions(
    base_HW: np.ndarray,
    below_HW: np.ndarray | None,
    numbered_HW: np.ndarray,
    kind: int,
    ignore: int | None,
) -> list[Region]:
    height, width = base_HW.shape
    regions = []
    for number, box in enumerate(ndimage.find_objects(numbered_HW), 1):
        mask = numbered_HW[box] == number
        content = base_HW[box]
        below = np.zeros(256, dtype=bool)
        if below_HW is not None:
            below[below_HW[box][mask]] = True
        rows, columns = box
        inside = min(rows.start, columns.start) > 0 and rows.stop < height and columns.stop < width
        clean = ignore is None or not (content[mask] == ignore).any()
        regions.append(
            Region(
                kind=kind,
                top=rows.start,
                left=columns.start,
                mask=mask,
                content=content,
                below=below,
                whole=inside and clean and below_HW is not None,
            )
        )
    return regions


def _with_parents(region: Region, larger: Sequence[np.ndarray]) -> Region:
    """The region knows in which object of each larger kind most of it lies."""
    parents = tuple(
        int(np.bincount(numbered_HW[region.box][region.mask]).argmax()) - 1
        for numbered_HW in larger
    )
    return replace(region, parents=parents)
