"""Label maps in shards: written as files, beside the tiles, before they are synthesized."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from histosyn.shards.dataset import ensure_index, index_folder, open_shards, require_shards
from histosyn.shards.unpacking import Track, unpack
from hpc import collectives
from hpc.errors import HistosynError
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

    All ranks call it; the first one writes. Raises as `unpack`.
    """
    if not _holds_shards(labels):
        return LabelFolder(path=labels)
    beside = out.with_name(f"{out.name}-labels")

    def write() -> float | None:
        ensure_index(labels)
        done = unpack(labels, beside, "labels", track)
        if done.made:
            logger.info("The label maps of %s are in %s, as files.", labels, beside)
        return open_shards(labels).index.mpp

    return LabelFolder(path=beside, mpp=collectives.run_on_rank_0(write))


def _holds_shards(folder: Path) -> bool:
    if index_folder(folder) is not None:
        return True
    try:
        require_shards(folder)
    except HistosynError:
        return False
    return True
