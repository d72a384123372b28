"""Ray's session folder, with its sockets and logs: private to its user (mode 0700).

Ray opens its own folders to everybody (mode 0777), and by default all users of a machine share
/tmp/ray. Below a private folder nobody else gets to them.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hpc.errors import InputError
from hpc.socket_folder import SOCKET_PATH_BYTES, short_folder

TMPDIR = "RAY_TMPDIR"
_PREFIX = "ray-"
# Ray opens the folder that it is given to everybody, too: it is given one inside.
_INSIDE = "r"
# What follows in the longest name that Ray gives to a socket; the first eight are mkdtemp's.
_ROOM = len(
    f"/{_PREFIX}12345678/{_INSIDE}"
    "/session_2026-01-01_00-00-00_000000_4194304/sockets/plasma_store.123"
)


@contextmanager
def session_folder() -> Iterator[Path]:
    """A new folder for Ray in a private one, in RAY_TMPDIR, or where there is room for sockets.

    It is removed after the block, and stays for its logs if that ends with an error. Raises
    InputError if there is no place for it.
    """
    private = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=_place()))
    keep = False
    try:
        yield private / _INSIDE
    except Exception:
        keep = True
        raise
    finally:
        if not keep:
            shutil.rmtree(private, ignore_errors=True)


def _place() -> Path:
    named = os.environ.get(TMPDIR)
    if not named:
        return short_folder(_ROOM)
    most = SOCKET_PATH_BYTES - _ROOM
    if len(os.fsencode(named)) <= most and os.access(named, os.W_OK | os.X_OK):
        return Path(named).absolute()
    raise InputError(
        f"{TMPDIR} = {named} must be a folder that can be written, with a name of at most {most} "
        "characters: Ray's sockets lie in it. Set another, or unset it."
    )
