"""Checks of storage: free space, shared memory, renames and locks in the shared folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir

from hpc.errors import InputError
from hpc.files import atomic_folder, require_folder, write_bytes
from launch.system_check.outcome import Outcome, absent, failure, last_line, ok, warning

_GIB = 1 << 30
_FEW_GIB = 10
_SHARED_MEMORY = Path("/dev/shm")
_FEW_GIB_OF_SHARED_MEMORY = 1
_SCRATCH = ".histosyn-doctor-"
_LOCK_SECONDS = 10
_NO_SHARED_FOLDER = absent(
    "not asked for", "Name the folder that all nodes see: histosyn doctor --system --shared FOLDER"
)

# Locks of a network's file system may be those of a process, and may hang: hence two processes, and
# limits of time.
_TRY_LOCK = """
import fcntl, sys
with open(sys.argv[1], "r+b") as file:
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
"""
_HOLD_LOCK_AND_TRY = """
import fcntl, subprocess, sys
path, program, seconds = sys.argv[1:]
with open(path, "wb") as file:
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    try:
        other = subprocess.run([sys.executable, "-I", "-c", program, path],
                               stderr=subprocess.PIPE, text=True, timeout=float(seconds))
    except subprocess.TimeoutExpired:
        sys.exit("a second process that tries the lock hangs")
    sys.exit(0 if "BlockingIOError" in other.stderr else "two processes held one lock")
"""


def free_space(folder: Path | None) -> Outcome:
    """Free space where `folder` lies."""
    if folder is None:
        return _NO_SHARED_FOLDER
    return _space(require_folder(folder, "folder"), _FEW_GIB, "Remove files, or use another disk.")


def temporary_space() -> Outcome:
    """Free space where programs put temporary files."""
    wanted, used = os.environ.get("TMPDIR"), Path(gettempdir())
    if wanted and Path(wanted).resolve() != used.resolve():
        return warning(
            f"TMPDIR is {wanted}, where nothing can be written: {used} is used instead",
            "Make that folder, or set TMPDIR to one that exists.",
        )
    return _space(used, _FEW_GIB, "Set TMPDIR to a folder on a larger disk.")


def shared_memory() -> Outcome:
    """Space in /dev/shm, through which loader workers hand over their batches."""
    if not _SHARED_MEMORY.is_dir():
        return absent(f"no {_SHARED_MEMORY}", "Nothing to do: this system has other means.")
    remedy = "Loader workers may fail: give a container more (--shm-size=8g, or --ipc=host)."
    return _space(_SHARED_MEMORY, _FEW_GIB_OF_SHARED_MEMORY, remedy)


def shared_files(folder: Path | None) -> Outcome:
    """Write, sync and rename in the shared folder, as checkpoints are written there."""
    if folder is None:
        return _NO_SHARED_FOLDER
    require_folder(folder, "--shared")
    try:
        with TemporaryDirectory(dir=folder, prefix=_SCRATCH) as name:
            file = Path(name) / "file"
            write_bytes(file, b"old")
            write_bytes(file, b"new")
            with atomic_folder(Path(name) / "folder") as made:
                write_bytes(made / "file", b"new")
            kept = [file.read_bytes(), (Path(name) / "folder" / "file").read_bytes()]
    except (OSError, InputError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        return failure(
            f"files cannot be written, synced and renamed in {folder}: {reason}",
            "Choose a folder where you may write, and which all nodes see.",
        )
    if kept != [b"new", b"new"]:
        return failure(
            f"files in {folder} are not what was written last",
            "Use another file system for run folders, and tell the site.",
        )
    return ok(f"files are written, synced and renamed in {folder}")


def shared_locks(folder: Path | None) -> Outcome:
    """Whether a lock in the shared folder keeps a second process out."""
    if folder is None:
        return _NO_SHARED_FOLDER
    require_folder(folder, "--shared")
    with TemporaryDirectory(dir=folder, prefix=_SCRATCH) as name:
        hold = [sys.executable, "-I", "-c", _HOLD_LOCK_AND_TRY]
        command = [*hold, f"{name}/lock", _TRY_LOCK, str(_LOCK_SECONDS / 2)]
        try:
            tried = subprocess.run(
                command, capture_output=True, text=True, timeout=_LOCK_SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            reason = f"no answer within {_LOCK_SECONDS} s"
        else:
            if tried.returncode == 0:
                return ok(f"flock works in {folder}")
            reason = last_line(tried.stderr)
    return warning(
        f"flock does not work in {folder}: {reason}",
        "Never start two jobs on the same run folder; ask the site for locks (on Lustre, the mount "
        "option flock).",
    )


def _space(folder: Path, few_gib: float, remedy: str) -> Outcome:
    usage = shutil.disk_usage(folder)
    free, total = usage.free / _GIB, usage.total / _GIB
    detail = f"{free:.1f} of {total:.1f} GiB free in {folder.resolve()}"
    return warning(detail, remedy) if free < few_gib else ok(detail)
