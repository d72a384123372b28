"""Opening a folder of shards, whoever made them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from histosyn.labels import load_schema
from histosyn.shards.foreign import (
    Inspected,
    cached_index_folder,
    foreign_shards,
    index_foreign_shards,
)
from histosyn.shards.index import INDEX_NAME
from histosyn.shards.index_file import load_index
from histosyn.shards.reader import ShardReader
from hpc.errors import DatasetError, InputError, SampleError
from hpc.files import require_folder
from hpc.log import logger, track


def open_shards(folder: Path, *, accept_left_out: bool = False) -> ShardReader:
    """A reader of a folder of shards that has an index (see `ensure_index`).

    Raises InputError if the folder is missing, DatasetError without an index or a sound one, and
    SampleError if the index had to leave out a sample, unless that is accepted.
    """
    index = load_index(folder, _index_folder(folder))
    if index.left_out and not accept_left_out:
        first, more = index.left_out[0], len(index.left_out) - 1
        raise SampleError(
            shard=str(folder / first.shard),
            key=first.key,
            cause=f"{first.cause} (and {more} more)" if more else first.cause,
            remedy=f"Repair the shards and remove {INDEX_NAME}, so that they are indexed anew; "
            "to use the others, --data.on-bad-sample skip.",
        )
    return ShardReader(index, folder)


def ensure_index(folder: Path, schema: str | None = None, *, leave_out_bad: bool = False) -> None:
    """Index the shards of a folder if other tools made them and nobody has done so yet.

    To be called by one process. Raises InputError for a folder that isn't there or is no folder
    (webdataset's `pipe:` and other URLs are never followed), DatasetError if no tar is in it.
    """
    _refuse_urls(folder)
    if _index_folder(folder) is not None or not foreign_shards(require_folder(folder, "shards")):
        return
    if schema is None:
        raise DatasetError(
            f"{folder} has shards but no {INDEX_NAME}: other tools made them, or packing was cut "
            "short. Name the label schema of their label maps (--data.schema) to have them "
            "indexed, or pack anew."
        )
    to = folder if os.access(folder, os.W_OK) else cached_index_folder(folder)
    logger.info("Indexing the shards of %s (once; the index goes into %s).", folder, to)
    index = index_foreign_shards(
        folder, load_schema(schema), to, leave_out_bad=leave_out_bad, track=_show
    )
    for item in index.left_out:
        logger.warning("Left out: %s, sample %s: %s", item.shard, item.key, item.cause)


def _index_folder(folder: Path) -> Path | None:
    """Where the index of a folder lies: in it, or in the cache."""
    if (folder / INDEX_NAME).is_file():
        return folder
    if folder.is_dir() and foreign_shards(folder):
        cached = cached_index_folder(folder)
        if (cached / INDEX_NAME).is_file():
            return cached
    return None


def _refuse_urls(folder: Path) -> None:
    text = str(folder)
    if text.startswith("pipe:") or ":/" in text:
        raise InputError(
            f"shards: {text} is a URL or a command, not a folder, and is not opened. Copy the "
            "shards to a folder and name it."
        )


def _show(shards: Iterator[Inspected], total: int) -> Iterable[Inspected]:
    return track(shards, total=total, what="shards")
