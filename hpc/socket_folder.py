"""Folders for sockets, whose paths have little room: a long TMPDIR, as clusters have, is too much.

The system takes paths of about a hundred bytes for a socket, and what goes on above (loader
workers, Ray) puts names of its own behind the folder for temporary files.
"""

from __future__ import annotations

import os
import sys
import tempfile
from multiprocessing import util
from pathlib import Path

from hpc.errors import InputError

# Of a socket's path, without the zero byte at its end.
SOCKET_PATH_BYTES = 107 if sys.platform == "linux" else 103
# What multiprocessing puts behind: /pymp-12345678/listener-12345678.
_OF_MULTIPROCESSING = 40
_SHORT_FOLDERS = ("/tmp", "/var/tmp", "/dev/shm")


def short_folder(room: int) -> Path:
    """A folder for temporary files that leaves `room` bytes for the rest of a socket's path.

    It is TMPDIR if that will do, and else one of the system's. Raises InputError that names TMPDIR
    if there is none where something can be written.
    """
    usual = tempfile.gettempdir()
    others = (os.environ.get("XDG_RUNTIME_DIR", ""), *_SHORT_FOLDERS)
    for folder in (usual, *others):
        if _fits(folder, room) and os.access(folder, os.W_OK | os.X_OK):
            return Path(folder)
    raise InputError(
        f"TMPDIR = {usual} has {len(os.fsencode(usual))} characters; sockets need a folder for "
        f"temporary files of at most {SOCKET_PATH_BYTES - room}, and nothing can be written to "
        f"{', '.join(_SHORT_FOLDERS)}. Set TMPDIR to a shorter path, such as /scratch/$USER."
    )


def keep_sockets_short() -> None:
    """To be called before processes are started: their sockets lie where their paths fit.

    Only the sockets: TMPDIR stays where other temporary files go. Raises InputError as above.
    """
    folder = short_folder(_OF_MULTIPROCESSING)
    usual = tempfile.tempdir
    tempfile.tempdir = str(folder)
    try:
        # multiprocessing makes its folder on first use, and stays with it.
        util.get_temp_dir()
    finally:
        tempfile.tempdir = usual


def _fits(folder: str, room: int) -> bool:
    return 0 < len(os.fsencode(folder)) <= SOCKET_PATH_BYTES - room and Path(folder).is_dir()
