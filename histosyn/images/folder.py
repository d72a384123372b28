"""Finding the images in a folder, with a warning about those of other formats."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from histosyn.images.formats import IMAGE_SUFFIXES, UNREAD_SUFFIXES
from hpc.errors import DatasetError

logger = logging.getLogger("histosyn")


@dataclass(frozen=True, kw_only=True)
class FolderContent:
    """Files of the suffixes that were asked for, and others that look like images, by name."""

    images: tuple[Path, ...]
    unread: tuple[Path, ...]


def find_images(folder: Path, suffixes: frozenset[str] = IMAGE_SUFFIXES) -> list[Path]:
    """All files of these suffixes below `folder`, hidden ones left out, sorted by name.

    A warning tells of files that look like images and have another suffix. Raises DatasetError as
    `search_folder` does.
    """
    content = search_folder(folder, suffixes)
    if content.unread:
        logger.warning("%s", unread_text(content.unread))
    return list(content.images)


def search_folder(folder: Path, suffixes: frozenset[str] = IMAGE_SUFFIXES) -> FolderContent:
    """What lies below `folder`, hidden files left out.

    Links to folders are followed, but not back into a folder that is being searched. Raises
    DatasetError for a folder that cannot be read and a link that leads nowhere.
    """
    found = list(_files_below(folder, frozenset({folder.resolve()})))
    for path, kind in found:
        if kind == "broken link" and path.suffix.lower() in suffixes | {""}:
            raise DatasetError(f"{path} is a link that leads nowhere. Repair or remove it.")
    named = [(path, kind, path.suffix.lower()) for path, kind in found]
    pictures = suffixes | IMAGE_SUFFIXES | UNREAD_SUFFIXES
    images = (path for path, kind, suffix in named if kind == "file" and suffix in suffixes)
    unread = (
        path
        for path, kind, suffix in named
        if (kind == "file" and suffix in pictures - suffixes)
        or (kind == "other" and suffix in pictures)
    )
    return FolderContent(images=tuple(sorted(images)), unread=tuple(sorted(unread)))


def unread_text(unread: Sequence[Path]) -> str:
    """A sentence on files that are not read, at least one, with their number."""
    counts = Counter(path.suffix.lower() for path in unread)
    kinds = ", ".join(f"{count} {suffix}" for suffix, count in counts.most_common())
    files = "1 file looks like an image and is" if len(unread) == 1 else (
        f"{len(unread)} files look like images and are"
    )  # fmt: skip
    return f"{files} not read ({kinds}), such as {unread[0]}. Convert what should be, to PNG."


def _files_below(folder: Path, searched: frozenset[Path]) -> Iterator[tuple[Path, str]]:
    for path, kind in _entries(folder):
        if kind != "folder":
            yield path, kind
        elif (target := path.resolve()) not in searched:
            yield from _files_below(path, searched | {target})


def _entries(folder: Path) -> list[tuple[Path, str]]:
    try:
        with os.scandir(folder) as entries:
            return [
                (folder / entry.name, _kind(entry))
                for entry in entries
                if not entry.name.startswith(".")
            ]
    except OSError as error:
        raise DatasetError(
            f"{folder} cannot be searched ({error.strerror}). Check its permissions."
        ) from error


def _kind(entry: os.DirEntry[str]) -> str:
    try:
        if entry.is_dir():
            return "folder"
        if entry.is_file():
            return "file"
    except OSError:  # a link to itself
        return "broken link"
    return "broken link" if entry.is_symlink() else "other"
