"""Files and folders that appear whole or not at all.

Everything is written under a temporary name in the same folder, flushed to the disk, and renamed:
a reader, or a run that starts again after a kill, never sees half of a file.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from hpc.errors import InputError
from hpc.paths import near_names
from hpc.temporary_names import replaced_name, temporary_file, temporary_folder

_BLOCK_BYTES = 1 << 20
# What file systems answer to what they do not have, such as folders that can be synchronised.
_NOT_OFFERED = (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS)
# How a file is opened that may be a pipe or a terminal; Windows has other flags.
_QUIETLY = (
    getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_BINARY", 0)
)


def sha256_of_bytes(data: bytes) -> str:
    """Hex digest of `data`."""
    return hashlib.sha256(data).hexdigest()


def sha256_of_file(path: Path) -> str:
    """Hex digest of a file's content, read in blocks of 1 MiB. OSError as `open_regular_file`."""
    digest = hashlib.sha256()
    with open_regular_file(path) as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def open_regular_file(path: Path) -> IO[bytes]:
    """Open for reading what is a file, or a link to one.

    A device may have no end, and a pipe no writer: such are an OSError that says so, at once.
    """
    _refuse_other_kinds(path.stat().st_mode, path)
    # Should a pipe have taken the place of the file since, it is not waited for either.
    descriptor = os.open(path, os.O_RDONLY | _QUIETLY)
    file = os.fdopen(descriptor, "rb")
    try:
        _refuse_other_kinds(os.fstat(descriptor).st_mode, path)
    except OSError:
        file.close()
        raise
    return file


def _refuse_other_kinds(mode: int, path: Path) -> None:
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "It is a device, pipe or socket, not a file", str(path))


def sync_file(path: Path) -> None:
    """Make the content of a written file survive a power cut."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Make renames inside `folder` survive a power cut, where the file system can promise that."""
    if not hasattr(os, "O_DIRECTORY"):
        return  # Windows opens no folders
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NOT_OFFERED:
            raise
    finally:
        os.close(descriptor)


def _open_to_all(path: Path, mode: int) -> None:
    """Give what was made for its owner alone the usual mode; some file systems have none."""
    try:
        path.chmod(mode & ~_umask())
    except OSError as error:
        if error.errno not in (errno.EPERM, *_NOT_OFFERED):
            raise


def make_folder(folder: Path) -> None:
    """Make a folder and the missing ones above it so that they survive a power cut."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)


@contextmanager
def atomic_file(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for writing that takes the name `path` only when the block ends without error."""
    make_folder(path.parent)
    descriptor, temporary = temporary_file(path)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
            _open_to_all(temporary, 0o666)
            # While it is open, and so held: nobody takes it for a leftover.
            temporary.replace(path)
        sync_folder(path.parent)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:
            # A full disk is met in writing, where the system does not say of which file.
            error.filename = str(path)
        raise


def write_bytes(path: Path, data: bytes) -> None:
    """Write a whole file atomically."""
    with atomic_file(path) as file:
        file.write(data)


def write_text(path: Path, text: str) -> None:
    """Write a whole UTF-8 text file atomically; bytes of names that are no text are escaped."""
    write_bytes(path, text.encode(errors="backslashreplace"))


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON, atomically; NaN and infinity are refused."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


@contextmanager
def atomic_folder(path: Path, *, replace: bool = False) -> Iterator[Path]:
    """Yield a temporary folder beside `path` that becomes `path` when the block ends without error.

    An existing `path` is an error unless it is to be replaced.
    """
    if path.exists() and not replace:
        raise InputError(f"{path} exists already. Remove it or choose another name.")
    make_folder(path.parent)
    descriptor, temporary = temporary_folder(path)
    replaced = replaced_name(temporary)
    try:
        yield temporary
        for folder, _, names in os.walk(temporary):
            for name in names:
                sync_file(Path(folder) / name)
            sync_folder(Path(folder))
        _open_to_all(temporary, 0o777)
        if path.exists() and not replace:
            raise InputError(f"{path} appeared meanwhile, so another process works on it too. "
                             "Remove it or choose another name.")  # fmt: skip
        if path.exists():
            path.rename(replaced)
        temporary.rename(path)
        sync_folder(path.parent)
        shutil.rmtree(replaced, ignore_errors=True)
    except BaseException:
        if replaced.exists() and not path.exists():
            replaced.rename(path)
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    finally:
        os.close(descriptor)


def refuse_address(path: Path, what: str) -> None:
    """InputError for what other tools would fetch, write to or run: URLs and `pipe:` commands."""
    text = str(path)
    if text.startswith("pipe:") or ":/" in text:
        raise InputError(
            f"{what}: {text} is a URL or a command, not a folder, and is not opened. Copy the data "
            "to or from a folder of this machine, and name that."
        )


def require_folder(path: Path, what: str) -> Path:
    """Return `path` if it is a folder; otherwise an error that names `what` was looked for."""
    if not path.is_dir():
        raise InputError(f"{what}: {path} {_instead(path, 'a file, not a folder')}")
    return path


def require_file(path: Path, what: str) -> Path:
    """Return `path` if it is a file; otherwise an error that names `what` was looked for."""
    if not path.is_file():
        kind = "a folder" if path.is_dir() else "a device, pipe or socket"
        raise InputError(f"{what}: {path} {_instead(path, f'{kind}, not a file')}")
    return path


def require_there(path: Path, what: str) -> Path:
    """Return `path` if there is anything; otherwise an error that names `what` was looked for."""
    if not path.exists():
        raise InputError(f"{what}: {path} {_instead(path, '')}")
    return path


def _instead(path: Path, kind: str) -> str:
    if path.exists():
        return f"is {kind}. Check the path."
    return f"does not exist{near_names(path)}. Check the path."


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
