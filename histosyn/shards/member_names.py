"""Names of members in a tar: which are ignored, and which are refused as unsafe."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

# What file systems take. Every row of an index is as wide as its longest key.
LONGEST_PART_BYTES = 255
LONGEST_NAME_BYTES = 1024
# What operating systems and other tools put beside the files that they are given.
_NOBODYS = frozenset({
    "__macosx", "icon\r", "thumbs.db", "ehthumbs.db", "desktop.ini", "$recycle.bin", "@eadir",
})  # fmt: skip
# Folders of extended headers that an old tool took for files.
_HEADERS_AS_FILES = re.compile(r"PaxHeaders?(\.\w+)?")
_SHOWN_CHARACTERS = 80


def is_left_aside(name: str) -> bool:
    """Whether a file is none of the user's: hidden, or some system's or tool's own."""
    parts = name.split("/")
    # WebDataset's notes to itself have such names.
    if parts[-1] == "@PaxHeader" or (parts[-1].startswith("__") and "." not in parts[-1]):
        return True
    return any(map(_HEADERS_AS_FILES.fullmatch, parts[:-1])) or any(
        (part.startswith(".") and part not in (".", "..")) or part.lower() in _NOBODYS
        for part in parts
    )


def name_fault(name: str) -> str | None:
    """What a harmless archive of tiles never has in a name; it is read with "surrogateescape"."""
    data = name.encode("utf-8", "surrogateescape")
    if len(data) > LONGEST_NAME_BYTES:
        return f"{shown(name)} is a name of {len(data):,} bytes (at most {LONGEST_NAME_BYTES:,})"
    longest = max(map(len, data.split(b"/")))
    if longest > LONGEST_PART_BYTES:
        return f"{shown(name)} is a name of {longest:,} bytes (at most {LONGEST_PART_BYTES})"
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name:
        return f"{shown(name)} is a path that leads out of the archive"
    if any("\udc80" <= character <= "\udcff" for character in name):
        return (
            f"{shown(name)} is a name in another encoding than UTF-8: write the shard anew with "
            "such names in UTF-8"
        )
    if not name.isprintable():
        return f"{shown(name)} has unprintable characters"
    return None


def shown(name: str) -> str:
    """A name as a message can show it, whatever is in it and however long it is."""
    return repr(name if len(name) <= _SHOWN_CHARACTERS else f"{name[:_SHOWN_CHARACTERS]}…")
