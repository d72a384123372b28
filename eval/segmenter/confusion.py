"""Confusion matrices of a segmenter's predictions on labelled tiles, one a tile."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eval.segmenter.labelled_tiles import LabelledTiles
from eval.segmenter.model import Segmenter
from eval.segmenter.pixel_scores import Counts, confusion_of
from hpc.errors import DatasetError, HistosynError, InputError

# Wraps the rows to show progress.
Track = Callable[[range], Iterable[int]]
_MOST_NAMED = 10


@dataclass(frozen=True, kw_only=True, eq=False)
class TileConfusions:
    """Confusion matrices (T, K, K) of the T tiles that could be read; rows are true classes.

    `label_keys` and `groups` (None where unknown) are those of these tiles; `bad` says of each tile
    that could not be read why not.
    """

    confusion_TKK: Counts
    label_keys: tuple[str, ...]
    groups: tuple[str | None, ...]
    bad: tuple[str, ...]

    @property
    def units(self) -> tuple[str, ...]:
        """What the bootstrap resamples: patients where all are known, otherwise label maps.

        Tiles of one patient, and variants made from one label map, are no independent evidence.
        """
        if self.by_group:
            return tuple(str(group) for group in self.groups)
        return self.label_keys

    @property
    def by_group(self) -> bool:
        """Whether the patient of every tile is known."""
        return all(group is not None for group in self.groups)


def confusions_of_tiles(
    segmenter: Segmenter, tiles: LabelledTiles, *, batch_size: int, track: Track = iter
) -> TileConfusions:
    """Segment all tiles, of any sizes; those that cannot be read are in `bad`.

    Raises InputError if the label maps have other classes than the segmenter, DatasetError if not a
    single tile can be read.
    """
    require_same_classes(segmenter, tiles)
    classes = len(segmenter.facts.schema)
    matrices: list[Counts] = []
    rows: list[int] = []
    bad = list(tiles.bad)
    for batch in _batches(_usable(tiles, track, bad), batch_size):
        predicted_NHW = segmenter.predict(np.stack([tile_HWC for _, tile_HWC, _ in batch]))
        for (row, _, labels_HW), predicted_HW in zip(batch, predicted_NHW, strict=True):
            rows.append(row)
            matrices.append(confusion_of(labels_HW, predicted_HW, classes))
    if not rows:
        raise DatasetError(f"No tile of {tiles.name} can be read: {'; '.join(bad[:_MOST_NAMED])}")
    return TileConfusions(
        confusion_TKK=np.stack(matrices),
        label_keys=tuple(tiles.label_key(row) for row in rows),
        groups=tuple(tiles.group(row) for row in rows),
        bad=tuple(bad),
    )


def by_unit(confusions: TileConfusions) -> tuple[tuple[str, ...], Counts]:
    """The units in the order of their names, and the confusion matrices (U, K, K) of each."""
    units, unit_of_tile = np.unique(np.array(confusions.units), return_inverse=True)
    classes = confusions.confusion_TKK.shape[-1]
    confusion_UKK = np.zeros((len(units), classes, classes), dtype=np.int64)
    np.add.at(confusion_UKK, unit_of_tile, confusions.confusion_TKK)
    return tuple(units.tolist()), confusion_UKK


def require_same_classes(segmenter: Segmenter, tiles: LabelledTiles) -> None:
    """Raise InputError unless the tiles' label maps have the segmenter's classes, in its order."""
    mine = [item.name for item in segmenter.facts.schema.classes]
    theirs = [item.name for item in tiles.schema.classes]
    if mine != theirs:
        raise InputError(
            f"The segmenter knows the classes {', '.join(mine)}, but {tiles.name} has "
            f"{', '.join(theirs)}. Train a segmenter on tiles of that schema."
        )


def require_all(confusions: TileConfusions, what: str, tiles: int) -> None:
    """Raise DatasetError naming what could not be read, if anything."""
    if not confusions.bad:
        return
    count = len(confusions.bad)
    more = f"\n... and {count - _MOST_NAMED} more" if count > _MOST_NAMED else ""
    raise DatasetError(
        "\n".join(confusions.bad[:_MOST_NAMED])
        + more
        + f"\n{count} of the {what} tiles or label maps ({tiles} pairs) cannot be used. Repair "
        "them, or measure the others with --on-bad-tile skip."
    )


_Usable = tuple[int, NDArray[np.uint8], NDArray[np.uint8]]


def _usable(tiles: LabelledTiles, track: Track, bad: list[str]) -> Iterator[_Usable]:
    for row in track(range(len(tiles))):
        try:
            yield row, *tiles.read(row)
        except HistosynError as error:
            bad.append(str(error))


def _batches(usable: Iterator[_Usable], size: int) -> Iterator[list[_Usable]]:
    """Neighbours of one size, `size` at a time."""
    batch: list[_Usable] = []
    for item in usable:
        if batch and (len(batch) == size or batch[0][1].shape != item[1].shape):
            yield batch
            batch = []
        batch.append(item)
    if batch:
        yield batch
