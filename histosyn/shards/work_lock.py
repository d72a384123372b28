"""Two processes that pack into one folder would spoil each other's work: the second stops."""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO

from histosyn.shards.journal import WorkFolder, require_absent
from hpc.errors import InputError

logger = logging.getLogger("histosyn")


@contextmanager
def locked_work_folder(out: Path) -> Iterator[WorkFolder]:
    """The work folder beside `out`, made if need be, for one process at a time.

    The lock ends with the process, whatever ends it. Raises InputError if `out` exists or another
    process is packing into it.
    """
    require_absent(out)
    work = WorkFolder(out)
    try:
        with _locked(work):
            try:
                yield work
            except BaseException:
                work.forget_if_empty()
                raise
    finally:
        # Network file systems keep a file, and so its folder, as long as it is open.
        with suppress(OSError):
            work.path.rmdir()


def _locked(work: WorkFolder) -> IO[bytes]:
    """The lock file, open: whoever closes it gives the lock back."""
    while True:
        require_absent(work.out)
        work.path.mkdir(parents=True, exist_ok=True)
        path = work.path / "lock"
        # Who held the lock may finish and remove the folder at any moment: then try again.
        with suppress(FileNotFoundError), ExitStack() as unless_held:
            file = unless_held.enter_context(path.open("ab"))
            _take(file, work)
            if os.path.samestat(path.stat(), os.fstat(file.fileno())):
                unless_held.pop_all()
                return file


def _take(file: IO[bytes], work: WorkFolder) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise InputError(
            f"Another process is packing into {work.out}. Wait for it, or choose another name."
        ) from error
    except OSError as error:
        logger.warning(
            "%s cannot be locked (%s). Let no other process pack into %s.",
            work.path,
            error.strerror,
            work.out,
        )
