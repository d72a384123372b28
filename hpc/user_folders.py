"""Per-user folders: the cache, and private ones (mode 0700)."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

from hpc.errors import InputError

_OF_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def home() -> Path | None:
    """The user's home; None for one that has none, as in some containers."""
    try:
        return Path.home()
    except RuntimeError:
        return None


def cache_folder() -> Path:
    """`histosyn` in the user's cache: XDG_CACHE_HOME, or .cache at home.

    Without a home it is a private folder among the temporary ones.
    """
    if cache := os.environ.get("XDG_CACHE_HOME"):
        return Path(cache) / "histosyn"
    if (at_home := home()) is not None:
        return at_home / ".cache" / "histosyn"
    folder = Path(tempfile.gettempdir()) / f"histosyn-{os.geteuid()}"
    require_private(folder, "Set XDG_CACHE_HOME to a folder of your own.")
    return folder


def require_private(folder: Path, remedy: str) -> None:
    """Make a folder that only its owner can enter; InputError for one that others can change."""
    folder.mkdir(mode=stat.S_IRWXU, parents=True, exist_ok=True)
    facts = folder.lstat()
    if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.geteuid():
        raise InputError(f"{folder} is not a folder of yours. {remedy}")
    if facts.st_mode & _OF_OTHERS:
        raise InputError(f"{folder} can be entered by others. {remedy}")
