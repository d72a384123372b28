"""Temporary files and folders of atomic writes, and the removal of those that a kill left.

Whoever writes holds a lock on the temporary file, which ends with the process: what nobody holds
was left by a kill, and the next run of the command removes it.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path

from hpc.file_locks import lock

_TEMPORARY, _REPLACED = ".tmp", ".old"
# The host stands before the random part; versions before 0.2 did not write it.
_FORM = re.compile(r"\.(?P<name>.+)\.(?:(?P<host>[0-9a-f]{6})-)?[a-z0-9_]{8}(?P<kind>\.tmp|\.old)")
_LONGEST_NAME_BYTES = 200
# Another host's locks cannot be seen on every network file system. Nobody writes for so long
# without a change.
_ABANDONED_SECONDS = 3600.0


@cache
def _this_host() -> str:
    return hashlib.sha256(socket.gethostname().encode()).hexdigest()[:6]


def _short(name: str) -> str:
    return os.fsencode(name)[:_LONGEST_NAME_BYTES].decode(errors="ignore")


def _prefix(path: Path) -> str:
    return f".{_short(path.name)}.{_this_host()}-"


def temporary_file(path: Path) -> tuple[int, Path]:
    """A new file beside `path`, held until its descriptor is closed: descriptor and name."""
    while True:
        descriptor, name = tempfile.mkstemp(
            dir=path.parent, prefix=_prefix(path), suffix=_TEMPORARY
        )
        if _held(descriptor, name):
            return descriptor, Path(name)
        os.close(descriptor)


def temporary_folder(path: Path) -> tuple[int, Path]:
    """A new folder beside `path`, held until its descriptor is closed: descriptor and name."""
    while True:
        name = tempfile.mkdtemp(dir=path.parent, prefix=_prefix(path), suffix=_TEMPORARY)
        if not hasattr(os, "O_DIRECTORY"):
            # Windows opens no folders: its age tells that it is in use.
            return os.open(os.devnull, os.O_RDONLY), Path(name)
        with suppress(FileNotFoundError):
            descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY)
            if _held(descriptor, name):
                return descriptor, Path(name)
            os.close(descriptor)


def replaced_name(temporary: Path) -> Path:
    """What an old folder is called while the one at `temporary` takes its place."""
    return temporary.with_suffix(_REPLACED)


def remove_leftovers(folder: Path, name: str | None = None, *, below: bool = False) -> None:
    """Remove what dead processes left in `folder` when they were writing `name`, or anything.

    With `below` in the folders below it as well. What another process is writing stays, and so does
    the old folder that nothing has replaced.
    """
    for path, match in _leftovers(folder, below):
        if name is not None and match["name"] != _short(name):
            continue
        if match["kind"] == _REPLACED and not path.with_name(match["name"]).exists():
            continue
        with suppress(FileNotFoundError):
            _remove_if_abandoned(path, match["host"])


def _leftovers(folder: Path, below: bool) -> Iterator[tuple[Path, re.Match[str]]]:
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            if match := _FORM.fullmatch(name):
                yield Path(place, name), match
        folders[:] = [name for name in folders if below and not _FORM.fullmatch(name)]


def _held(descriptor: int, name: str) -> bool:
    """Hold it; False if it was taken for a leftover in the moment before.

    Where the file system knows no locks, its age tells that it is in use.
    """
    with suppress(OSError):
        lock(descriptor)
    try:
        return os.path.samestat(Path(name).stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _remove_if_abandoned(path: Path, host: str | None) -> None:
    if host not in (None, _this_host()) and not _is_old(path):
        return
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        try:
            lock(descriptor)
        except BlockingIOError:
            return
        except OSError:
            if not _is_old(path):
                return
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    finally:
        os.close(descriptor)


def _is_old(path: Path) -> bool:
    return time.time() - path.stat().st_mtime > _ABANDONED_SECONDS
