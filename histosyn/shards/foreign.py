"""Indexing shards that other tools wrote: every sample is read once, and the index kept.

It is kept beside the shards, or in a cache where nothing can be written there. What cannot be used
is an error, or noted in the index as left out. While the work is under way there is a note for each
shard in a hidden folder, so that it can be interrupted, and only one is in memory at a time.
"""

from __future__ import annotations

import json
import shutil
import stat
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np

from histosyn.labels.label_map import LabelSchema
from histosyn.shards.foreign_scan import ShardScan, ShardScanSummary, Size, scan_of, scan_shard
from histosyn.shards.index import DatasetIndex, LeftOut, ShardRecord
from histosyn.shards.index_file import write_index
from hpc.errors import DatasetError, SampleError
from hpc.files import sha256_of_bytes
from hpc.log import logger
from hpc.parallel import map_in_order
from hpc.user_folders import cache_folder

_REMEDY = (
    "Repair or remove it; with --data.on-bad-sample skip the others are used and this one is "
    "listed."
)
_FILES = (stat.S_IFREG, stat.S_IFLNK)
_NOTES = ".histosyn-indexing"
Track = Callable[[Iterator[ShardScanSummary], int], Iterable[ShardScanSummary]]


def index_foreign_shards(
    folder: Path,
    schema: LabelSchema,
    to: Path,
    *,
    leave_out_bad: bool = False,
    track: Track = lambda shards, total: shards,
) -> DatasetIndex:
    """Scan every sample of the tars in `folder` and write their index into the folder `to`.

    The label maps are read by `schema`. Raises SampleError for the first thing that cannot be used,
    unless it is to be left out; DatasetError if nothing can. Two samples of one key in different
    shards are two samples; they are augmented alike.
    """
    paths = foreign_shards(folder)
    notes = to / _NOTES
    if notes.is_symlink():
        raise DatasetError(f"{notes} is a link: what is written there lands elsewhere. Remove it.")
    notes.mkdir(parents=True, exist_ok=True)
    scan = partial(scan_shard, schema=schema, notes=notes)
    shards = [
        _checked(shard, folder, leave_out_bad)
        for shard in track(map_in_order(scan, paths, batch=1), len(paths))
    ]
    _refuse_copies(shards, folder)
    _tell_oddities(shards, folder)
    size = _common_size(shards, folder)
    odd = [item for shard in shards for item in _of_other_size(shard, size, notes)]
    if odd and not leave_out_bad:
        raise _error(folder, odd[0])
    resolutions = frozenset[float | None]().union(*(shard.resolutions for shard in shards))
    index = write_index(
        to,
        schema=schema,
        tile_size=size,
        mpp=next(iter(resolutions)) if len(resolutions) == 1 else None,
        records=_Records([shard.name for shard in shards], size, notes, len(schema)),
        made_by={"histosyn": version("histosyn"), "command": "index"},
        label_values="indices" if all(shard.indices for shard in shards) else "colours",
        left_out=(*(item for shard in shards for item in shard.left_out), *odd),
    )
    shutil.rmtree(notes, ignore_errors=True)
    return index


def foreign_shards(folder: Path) -> list[Path]:
    """The tars of a folder, sorted by name; links are followed, pipes and the like are none.

    `unread.unread_files` names what else looks like one.

    Raises DatasetError for a name that no index can hold.
    """
    paths = sorted(
        path
        for path in folder.glob("*.tar")
        if not path.name.startswith(".") and stat.S_IFMT(path.lstat().st_mode) in _FILES
    )
    for path in paths:
        if set(path.name) & set("\\:\0"):
            raise DatasetError(f"{path} has a colon or a backslash in its name. Rename it.")
    return paths


def cached_index_folder(folder: Path) -> Path:
    """Where the index of shards goes that lie where nothing can be written.

    Another set of tars, or other sizes or times of theirs, has another place.
    """
    facts = [
        [path.name, status.st_size, status.st_mtime_ns]
        for path in foreign_shards(folder)
        for status in [path.lstat()]
    ]
    identity = json.dumps([str(folder.resolve()), facts])
    return cache_folder() / "indexes" / sha256_of_bytes(identity.encode())[:24]


def _checked(shard: ShardScanSummary, folder: Path, leave_out_bad: bool) -> ShardScanSummary:
    if shard.left_out and not leave_out_bad:
        raise _error(folder, shard.left_out[0])
    return shard


def _refuse_copies(shards: list[ShardScanSummary], folder: Path) -> None:
    """A shard that is there twice would count twice."""
    first: dict[str, str] = {}
    for shard in shards:
        if shard.sizes and first.setdefault(shard.sha256, shard.name) != shard.name:
            raise DatasetError(
                f"{folder / shard.name} is a copy of {first[shard.sha256]}. Remove one of them."
            )


def _tell_oddities(shards: list[ShardScanSummary], folder: Path) -> None:
    """What is no fault, but would be missed by those who counted on it."""
    if left_aside := sum(shard.left_aside for shard in shards):
        logger.info(
            "Hidden files and those of operating systems (.NAME, __MACOSX, Thumbs.db) are left "
            "aside: %d in the shards of %s.", left_aside, folder,
        )  # fmt: skip
    for shard in shards:
        if shard.seams:
            logger.warning(
                "%s is %d archives one behind the other (the second one begins at byte %d): all "
                "are read.", folder / shard.name, len(shard.seams) + 1, shard.seams[0],
            )  # fmt: skip


def _common_size(shards: list[ShardScanSummary], folder: Path) -> tuple[int, int]:
    """The (height, width) of most tiles."""
    sizes = sum((shard.sizes for shard in shards), Counter[Size]())
    if not sizes:
        raise DatasetError(
            f"{folder} holds no tar with a usable sample{_why_not(shards)}. A sample is "
            "KEY.tile.png (or .jpg) and KEY.label.png, with no point in KEY."
        )
    (height, width), _ = max(sizes.items(), key=lambda item: (item[1], item[0]))
    return height, width


def _why_not(shards: list[ShardScanSummary]) -> str:
    """The first cause in full, and how many more there are."""
    left_out = [item for shard in shards for item in shard.left_out]
    left_aside = sum(shard.left_aside for shard in shards)
    if not left_out and left_aside:
        return f" ({left_aside:,} hidden files or files of operating systems are in it)"
    if not left_out:
        return ""
    first = left_out[0]
    more = f", and {len(left_out) - 1:,} more left out" if len(left_out) > 1 else ""
    return f" ({first.shard}, {first.key}: {first.cause.rstrip('.')}{more})"


def _of_other_size(shard: ShardScanSummary, size: tuple[int, int], notes: Path) -> list[LeftOut]:
    if set(shard.sizes) <= {size}:
        return []
    return [
        LeftOut(
            shard=shard.name,
            key=look.entry.key,
            cause=f"it has {look.size[1]}x{look.size[0]} pixels, most others {size[1]}x{size[0]}",
        )
        for look in scan_of(shard.name, notes).looks
        if look.size != size
    ]


class _Records(Collection[ShardRecord]):
    """What the index holds of each shard, made from its note when it is asked for."""

    def __init__(self, names: list[str], size: tuple[int, int], notes: Path, classes: int) -> None:
        self.names = names
        self.size = size
        self.notes = notes
        self.classes = classes

    def __len__(self) -> int:
        return len(self.names)

    def __contains__(self, item: object) -> bool:
        return any(item == record for record in self)

    def __iter__(self) -> Iterator[ShardRecord]:
        return (self._record(scan_of(name, self.notes)) for name in self.names)

    def _record(self, note: ShardScan) -> ShardRecord:
        looks = [look for look in note.looks if look.size == self.size]
        pixels = np.zeros(self.classes, dtype=np.int64)
        for look in looks:
            pixels += np.array(look.class_pixels)
        return ShardRecord(
            name=note.name,
            sha256=note.sha256,
            size_bytes=note.size_bytes,
            entries=tuple(look.entry for look in looks),
            class_pixels=tuple(pixels.tolist()),
        )


def _error(folder: Path, item: LeftOut) -> SampleError:
    return SampleError(
        shard=str(folder / item.shard), key=item.key, cause=item.cause.rstrip("."), remedy=_REMEDY
    )
