"""Whether a file has changed since it was first looked at, by device, inode, size and mtime.

For files that are read more than once: the sha256 that is recorded must be that of what was used.
"""

from __future__ import annotations

from pathlib import Path

from hpc.errors import InputError
from hpc.files import sha256_of_file

_Identity = tuple[int, int, int, int]


class FileFingerprint:
    """The file at `path` as it is now; taken before it is read for the first time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._before = self._identity()

    def require_unchanged(self) -> None:
        """Raise InputError if another file has taken its place since, or it was written to."""
        if self._identity() != self._before:
            raise InputError(
                f"{self.path} was replaced or changed while it was read. Run the command again "
                "when nobody writes there."
            )

    def sha256(self) -> str:
        """The digest of the file that was read; InputError if it is another one by now."""
        digest = sha256_of_file(self.path)
        self.require_unchanged()
        return digest

    def _identity(self) -> _Identity | None:
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
