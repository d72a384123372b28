"""One process at a time: a lock that ends with the process that holds it, whatever ends it."""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO

from hpc.errors import InputError

logger = logging.getLogger("histosyn")


def _nothing() -> None:
    pass


@contextmanager
def locked(
    path: Path, *, busy: str, risk: str, before: Callable[[], None] = _nothing
) -> Iterator[None]:
    """Hold the lock `path` during the block; its folders are made if need be, and go if empty.

    `before` is called ahead of each attempt, to look whether it still makes sense. Raises
    InputError(busy) if another process holds the lock. Where the file system knows no locks there
    is a warning that ends with `risk`.
    """
    made = [folder for folder in path.parent.parents if not folder.exists()]
    file = _taken(path, busy, risk, before)
    try:
        with file:
            try:
                yield
            finally:
                path.unlink(missing_ok=True)
    finally:
        # After closing: network file systems keep a file, and so its folder, as long as it is open.
        with suppress(OSError):
            for folder in (path.parent, *made):
                folder.rmdir()


def _taken(path: Path, busy: str, risk: str, before: Callable[[], None]) -> IO[bytes]:
    """The lock file, open: whoever closes it gives the lock back."""
    while True:
        before()
        path.parent.mkdir(parents=True, exist_ok=True)
        # Who held the lock may finish and remove the file at any moment: then try again.
        with suppress(FileNotFoundError), ExitStack() as unless_held:
            file = unless_held.enter_context(path.open("ab"))
            _take(file, path, busy, risk)
            if os.path.samestat(path.stat(), os.fstat(file.fileno())):
                unless_held.pop_all()
                return file


def _take(file: IO[bytes], path: Path, busy: str, risk: str) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise InputError(busy) from error
    except OSError as error:
        logger.warning("%s cannot be locked (%s). %s", path.parent, error.strerror, risk)
