"""Shared memory (/dev/shm), in which loader workers return batches: how much is left, remedies.

Containers have little of it: Docker gives 64 MB unless told otherwise.
"""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hpc.errors import HistosynError

_PLACE = Path("/dev/shm")
_MIB = 1 << 20
# What the system says when it cannot make a semaphore there.
_NO_PLACE = (errno.ENOSPC, errno.EACCES, errno.ENOENT, errno.ENOSYS, errno.EROFS, errno.EPERM)
REMEDY = "Give it more: a container gets it by --shm-size=8g or --ipc=host"


def shared_memory_text() -> str:
    """How much of it is left, in words."""
    try:
        usage = shutil.disk_usage(_PLACE)
    except OSError as error:
        return f"shared memory ({_PLACE}) cannot be used: {error.strerror}"
    return (
        f"shared memory ({_PLACE}) has {usage.free / _MIB:.1f} of {usage.total / _MIB:.1f} MiB left"
    )


@contextmanager
def starting_processes(otherwise: str) -> Iterator[None]:
    """Around what starts processes: HistosynError that names shared memory if that is the cause.

    `otherwise` says how to do without them.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _NO_PLACE or error.filename is not None:
            raise
        raise HistosynError(
            f"Worker processes cannot be started ({error.strerror}): they need semaphores in "
            f"shared memory, and {shared_memory_text()}. {REMEDY}. Or do without them: {otherwise}."
        ) from error
