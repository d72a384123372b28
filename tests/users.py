"""Other users: root may read and write everything, so that permissions mean nothing to it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_NOBODY = 65534


@contextmanager
def as_nobody(folder: Path) -> Iterator[None]:
    """During the block, what all may do; `folder` can be reached. No change for others than root.

    What is imported for the first time must have been before: the other user may not even read
    Python's own library.
    """
    if os.geteuid() != 0:
        yield
        return
    for path in (folder, *folder.parents):
        if path.stat().st_uid == 0:
            path.chmod(path.stat().st_mode | 0o055)
    os.seteuid(_NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
