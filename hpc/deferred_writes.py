"""Writes that are retried later where a full disk is not to stop the run."""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from hpc.errors import FullDiskError

logger = logging.getLogger("histosyn")

OnFullDisk = Literal["stop", "retry"]
_FULL_DISK = (errno.ENOSPC, errno.EDQUOT)
Write = Callable[[], None]


def is_full_disk(error: OSError) -> bool:
    """Whether a write failed for lack of room: the disk's, or that of somebody's quota."""
    return error.errno in _FULL_DISK


class DeferredWrites:
    """A queue of writes, done in order. With "retry" those that a full disk refuses stay in it.

    A checkpoint must not be ahead of this queue, or a run that is killed and resumes from it would
    never do these writes: see `flush`.
    """

    def __init__(self, on_full_disk: OnFullDisk = "stop") -> None:
        self.on_full_disk = on_full_disk
        self._owed: list[tuple[Path, Write]] = []

    def write(self, path: Path, write: Write) -> None:
        """Do the pending writes, then this one. Raises OSError, but with "retry" no full disk."""
        self._owed.append((path, write))
        self.flush()

    def flush(self) -> bool:
        """Try the pending writes; whether none is left."""
        while self._owed:
            path, write = self._owed[0]
            try:
                write()
            except OSError as error:
                if self.on_full_disk == "stop" or not is_full_disk(error):
                    raise
                logger.warning(
                    "%s cannot be written, the disk is full. Training goes on; %d writes wait for "
                    "room.", path, len(self._owed),
                )  # fmt: skip
                return False
            self._owed.pop(0)
        return True

    def close(self) -> None:
        """Raise FullDiskError if a write is still pending."""
        if not self.flush():
            raise FullDiskError(
                f"{self._owed[0][0]} and {len(self._owed) - 1} other writes found no room on the "
                "disk. Make room, and run the same command again."
            )
