"""Label maps in shards: written as files, beside the tiles, before they are synthesized."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from histosyn.shards.dataset import ensure_index, index_folder, open_shards, require_shards
from histosyn.shards.unpacking import Track, unpack
from hpc import collectives
from hpc.errors import HistosynError, InputError
from hpc.log import logger


@dataclass(frozen=True, kw_only=True)
class LabelFolder:
    """A folder of label maps, and their microns per pixel where the shards they are from tell."""

    path: Path
    mpp: float | None = None


def label_folder(
    labels: Path, out: Path, track: Track = lambda places, total: places
) -> LabelFolder:
    """`labels` as it is, or if it holds shards, the folder OUT-labels with their label maps.

    All ranks call it; the first one writes. Raises as `unpack`, and InputError if that folder has
    label maps besides, which would be synthesized, too.
    """
    if not _holds_shards(labels):
        return LabelFolder(path=labels)
    beside = out.with_name(f"{out.name}-labels")

    def write() -> float | None:
        ensure_index(labels)
        done = unpack(labels, beside, "labels", track)
        _require_no_others(beside, labels, done.made + done.present)
        if done.made:
            logger.info("The label maps of %s are in %s, as files.", labels, beside)
        return open_shards(labels).index.mpp

    return LabelFolder(path=beside, mpp=collectives.run_on_rank_0(write))


def _require_no_others(folder: Path, shards: Path, count: int) -> None:
    """Such as those of shards that were packed anew, with other tiles."""
    found = sum(1 for _ in folder.rglob("*.png"))
    if found > count:
        raise InputError(
            f"{folder} has {found - count} more label maps than {shards}, which would "
            "be synthesized, too. Remove that folder, or choose another OUT."
        )


def _holds_shards(folder: Path) -> bool:
    if index_folder(folder) is not None:
        return True
    try:
        require_shards(folder)
    except HistosynError:
        return False
    return True
