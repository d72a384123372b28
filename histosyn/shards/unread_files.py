"""Files beside shards that look like shards but are not read: named in a warning or error."""

from __future__ import annotations

import os
import re
from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path

from histosyn.shards.compression import COMPRESSIONS
from hpc.errors import DatasetError

# Downloads and copies that are under way or were broken off, and pieces of a split file.
_UNFINISHED = re.compile(
    r".*\.tar\.(part|partial|tmp|temp|crdownload|download|filepart|incomplete|aria2|\d+|a[a-z])",
    re.IGNORECASE | re.DOTALL,
)


@dataclass(frozen=True, kw_only=True)
class Unread:
    """A file by name, and why it is not read: what follows "it is"."""

    name: str
    cause: str


def unread_files(folder: Path) -> list[Unread]:
    """What in a folder of shards was perhaps meant to be one, sorted by name; hidden files not.

    Raises DatasetError if the folder cannot be read.
    """
    try:
        with os.scandir(folder) as entries:
            found = {entry.name: entry for entry in entries if not entry.name.startswith(".")}
    except OSError as error:
        raise DatasetError(
            f"{folder} cannot be searched for shards ({error.strerror}). Check its permissions."
        ) from error
    causes = ((name, _cause(found[name], found)) for name in sorted(found))
    return [Unread(name=name, cause=cause) for name, cause in causes if cause]


def unread_text(folder: Path, unread: list[Unread]) -> str:
    """One sentence about them all, and what to do."""
    more = f" ({len(unread)} such files in all)" if len(unread) > 1 else ""
    return (
        f"{folder / unread[0].name} looks like a shard, but is {unread[0].cause}{more}. Put it "
        "right, or move it away."
    )


def _cause(entry: os.DirEntry[str], beside: Container[str]) -> str:
    lower = entry.name.lower()
    if entry.name.endswith(".tar"):
        return _kind_that_is_no_file(entry)
    if lower.endswith(".tar"):
        return "called so in capitals: its name must end in .tar"
    for compression in COMPRESSIONS:
        plain = compression.plain_name(entry.name)
        if plain is not None:
            return "" if plain in beside else compression.advice()
    if _UNFINISHED.fullmatch(entry.name):
        return "an unfinished copy or a piece of one, by its name"
    return ""


def _kind_that_is_no_file(entry: os.DirEntry[str]) -> str:
    """A link that leads nowhere is met when it is opened, and named there."""
    try:
        if entry.is_dir(follow_symlinks=False):
            return "a folder"
        return "" if entry.is_file() or entry.is_symlink() else "a device, pipe or socket"
    except OSError:
        return ""
