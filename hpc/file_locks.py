"""Locks on open files that end with their process, where the system has them: not on Windows."""

from __future__ import annotations

import errno
from typing import IO

try:
    import fcntl as _fcntl
except ImportError:
    _fcntl = None  # type: ignore[assignment]


def lock(file: int | IO[bytes], *, wait: bool = False) -> None:
    """Hold an open file, or its descriptor, until it is closed.

    Raises BlockingIOError if somebody else does, unless it is waited for; OSError where there are
    no such locks, as on some network file systems.
    """
    if _fcntl is None:
        raise OSError(errno.ENOTSUP, "this system has no such locks")
    _fcntl.flock(file, _fcntl.LOCK_EX | (0 if wait else _fcntl.LOCK_NB))
