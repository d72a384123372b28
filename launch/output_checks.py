"""Checks, before the work, that results can be written where they were asked for."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryFile

from hpc.errors import InputError
from hpc.temporary_names import remove_leftovers


def check_output_file(path: Path | None, option: str) -> None:
    """InputError, naming `option`, unless `path` is None or a file can be written there.

    What a dead process left of an earlier attempt is removed.
    """
    if path is None:
        return
    if path.is_dir():
        raise InputError(f"{option}: {path} is a folder. Name a file, for instance in it.")
    check_output_folder(path.parent, option)
    remove_leftovers(path.parent, path.name)


def check_output_folder(path: Path | None, option: str) -> None:
    """InputError, naming `option`, unless `path` is None or a folder that is or can be made.

    Nothing is left behind: the nearest folder that exists is tried with a temporary file.
    """
    if path is None:
        return
    try:
        nearest = next(folder for folder in (path, *path.parents) if folder.exists())
        if not nearest.is_dir():
            raise InputError(f"{option}: {nearest} is a file, not a folder. Choose another place.")
        with TemporaryFile(dir=nearest):
            return
    except OSError as error:
        raise InputError(
            f"{option}: nothing can be written to {path} ({error.strerror}). Choose another place."
        ) from error
