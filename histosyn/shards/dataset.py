"""Opening a folder of shards, written by `histosyn pack` or by other tools."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from histosyn.labels.label_map import load_schema
from histosyn.shards.foreign import (
    ShardScanSummary,
    cached_index_folder,
    foreign_shards,
    index_foreign_shards,
)
from histosyn.shards.index import INDEX_NAME
from histosyn.shards.index_file import load_index, no_data_set
from histosyn.shards.reader import ShardReader
from histosyn.shards.samples_table import SAMPLES_NAME, is_samples_table
from histosyn.shards.unread_files import unread_files, unread_text
from hpc.errors import DatasetError, SampleError
from hpc.files import refuse_address, require_folder
from hpc.json_toml import content_of, plain_json
from hpc.locks import locked
from hpc.log import logger, track
from hpc.paths import AnyPath, as_path
from hpc.temporary_names import remove_leftovers

# So many left-out samples are logged; the index lists them all.
_LOGGED = 10


def open_shards(folder: AnyPath, *, accept_left_out: bool = False) -> ShardReader:
    """A reader of a folder of shards that has an index, such as packed/train.

    Shards that `histosyn pack` made have one; those of other tools get one by `ensure_index`,
    `histosyn inspect` or training. `reader.index` tells schema, samples and tile size;
    `reader.read(shard, sample)` gives a tile uint8 (H, W, 3) and its label map uint8 (H, W).

    Raises InputError if the folder is missing, DatasetError without an index or a sound one, and
    SampleError if the index had to leave out a sample, unless that is accepted.
    """
    folder = as_path(folder, "shards")
    where = index_folder(folder)
    index = load_index(folder, where)
    if index.left_out and not accept_left_out:
        first, more = index.left_out[0], len(index.left_out) - 1
        raise SampleError(
            shard=str(folder / first.shard),
            key=first.key,
            cause=f"{first.cause} (and {more} more)" if more else first.cause,
            remedy=f"Repair the shards and remove {(where or folder) / INDEX_NAME}, so that they "
            "are indexed anew; to use the others, --data.on-bad-sample skip.",
        )
    return ShardReader(index, folder)


def ensure_index(
    folder: AnyPath, schema: str | None = None, *, leave_out_bad: bool = False
) -> None:
    """Index the shards of a folder if other tools made them and nobody has done so yet.

    To be called by one process. Raises InputError for a folder that isn't there or is no folder
    (webdataset's `pipe:` and other URLs are never followed), DatasetError if there is an index that
    does not know all tars, or one by another schema, or files that look like shards and cannot be
    read as such; these are only warnings if what is bad is to be left out.
    """
    folder = as_path(folder, "shards")
    refuse_address(folder, "shards")
    tars = foreign_shards(require_folder(folder, "shards"))
    where = index_folder(folder)
    if unread := unread_files(folder):
        text = unread_text(folder, unread)
        if not (tars or where):
            raise DatasetError(text)
        _refuse_or_warn(text, leave_out_bad)
    if where is not None:
        _check_index(folder, where, schema, leave_out_bad)
    elif tars:
        _index(folder, schema, leave_out_bad)


def require_shards(folder: Path, what: str = "data set") -> Path:
    """Return `folder` if it may be one of shards, whoever made them; nothing is read for it.

    Raises InputError or DatasetError, naming `what` or the folder.
    """
    refuse_address(folder, what)
    if index_folder(require_folder(folder, what)) is None and not foreign_shards(folder):
        raise no_data_set(folder)
    return folder


def index_folder(folder: Path) -> Path | None:
    """Where the index of a folder lies: in it, or in the cache. None if there is none of ours."""
    if _is_ours(folder / INDEX_NAME):
        return folder
    if folder.is_dir() and foreign_shards(folder):
        cached = cached_index_folder(folder)
        if _is_ours(cached / INDEX_NAME):
            return cached
    return None


def _is_ours(path: Path) -> bool:
    """Other tools may have a file of this name; what is no JSON may be ours, damaged."""
    try:
        if not path.is_file():
            return False
        data = plain_json(content_of(path), finite=False)
    except OSError:  # nor can it be in a folder that may not be entered
        return False
    except ValueError:
        return True
    return isinstance(data, dict) and "format_version" in data


def _index(folder: Path, schema: str | None, leave_out_bad: bool) -> None:
    if schema is None:
        raise DatasetError(
            f"{folder} has shards but no {INDEX_NAME} of histosyn: other tools made them, or "
            "packing was cut short. Name the label schema of their label maps (--data.schema; for "
            "`histosyn inspect`, --schema) to have them indexed, or pack anew."
        )
    to = folder if _may_write_index(folder) else cached_index_folder(folder)
    # Jobs that start together on new shards: one indexes them, the others wait for it.
    with locked(
        to / ".index.lock",
        busy=f"Another process is indexing the shards of {folder}.",
        risk="Let one process index them first.",
        wait=True,
    ):
        if index_folder(folder) is not None:
            _check_index(folder, to, schema, leave_out_bad)
            return
        logger.info("Indexing the shards of %s (once; the index goes into %s).", folder, to)
        remove_leftovers(to)
        index = index_foreign_shards(
            folder, load_schema(schema), to, leave_out_bad=leave_out_bad, track=_show
        )
    for item in index.left_out[:_LOGGED]:
        logger.warning("Left out: %s, %s: %s", item.shard, item.key, item.cause)
    if len(index.left_out) > _LOGGED:
        logger.warning("%d left out in all; %s lists them", len(index.left_out), to / INDEX_NAME)


def _may_write_index(folder: Path) -> bool:
    """Whether it is possible, and replaces no file of somebody else's."""
    table = folder / SAMPLES_NAME
    free = not (folder / INDEX_NAME).exists() and (not table.exists() or is_samples_table(table))
    return free and os.access(folder, os.W_OK)


def _check_index(folder: Path, where: Path, schema: str | None, leave_out_bad: bool) -> None:
    index = load_index(folder, where)
    if schema is not None and load_schema(schema).classes != index.schema.classes:
        raise DatasetError(
            f"{folder} was indexed by label schema {index.schema.name}, not {schema}. Leave out "
            f"--data.schema, or remove {where / INDEX_NAME} to have the shards indexed anew."
        )
    unknown = {path.name for path in foreign_shards(folder)} - {s.name for s in index.shards}
    if unknown:
        text = (
            f"{folder} has tars that {where / INDEX_NAME} does not know, such as {min(unknown)} "
            f"({len(unknown)} in all). Move them away, or remove the index to have all indexed "
            "anew."
        )
        _refuse_or_warn(text, leave_out_bad)


def _refuse_or_warn(text: str, leave_out_bad: bool) -> None:
    """About files that are not used if what is bad is to be left out."""
    if not leave_out_bad:
        raise DatasetError(f"{text} With --data.on-bad-sample skip they are not used.")
    logger.warning("%s They are not used.", text)


def _show(shards: Iterator[ShardScanSummary], total: int) -> Iterable[ShardScanSummary]:
    return track(shards, total=total, what="shards")
