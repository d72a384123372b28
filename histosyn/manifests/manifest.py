"""`manifest.jsonl` of an OUT folder: how each file in it was made, a line a file.

The tasks of a job array write one manifest each, so that none waits for another or overwrites what
it wrote. The next run over the whole folder makes them one.
"""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hpc.errors import InputError
from hpc.files import write_text
from hpc.job_array import WHOLE, Part
from hpc.locks import locked
from hpc.records import FileName, Records, Text

MANIFEST = "manifest.jsonl"
_OF_PARTS = "manifest-part-*.jsonl"
Entries = dict[str, dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What is used of a line: which file it is about and, where told, what that was made with."""

    file: FileName
    output_sha256: Text | None = None
    model_sha256: Text | None = None
    seed: int | None = None
    precision: Text | None = None


_LINES = Records(
    kind=Entry,
    remedy="In an OUT folder, delete it: it is made anew from the files. Elsewhere, copy it again.",
    error=InputError,
)


def read_manifest(out: Path) -> Entries:
    """The entries of the manifest and of those of parts, by output file; empty without any.

    Raises InputError for a damaged one.
    """
    paths = [path for path in (out / MANIFEST, *_of_parts(out)) if path.is_file()]
    return {name: entry for path in paths for name, entry in read_manifest_file(path).items()}


def read_manifest_file(path: Path) -> Entries:
    """The entries of one manifest, by output file; InputError if it is damaged."""
    found = _LINES.read_lines(path)
    if found.cut:
        # It is written whole, or not at all.
        raise _LINES.damaged(str(path), "its last line is cut short")
    return {entry["file"]: entry for entry in _LINES.require_sound(found)}


def write_manifest(out: Path, entries: Entries, part: Part = WHOLE) -> None:
    """Add entries to the manifest, and those of parts with them; a part writes its own anew."""
    if part != WHOLE:
        _write(out / _OF_PARTS.replace("*", f"{part.number}-of-{part.count}"), entries)
        return
    of_parts = _of_parts(out)
    _write(out / MANIFEST, read_manifest(out) | entries)
    for path in of_parts:
        path.unlink()


def out_lock(out: Path, *, work: str = "", share: str = "") -> AbstractContextManager[None]:
    """Who writes files and manifests into `out` holds this; see `hpc.locks` for work and share.

    Raises InputError, which names the other, if another process writes there.
    """
    return locked(
        out / ".lock",
        busy=f"Another process is writing into {out}. Wait for it, or choose another folder.",
        risk=f"Let no other process write into {out}.",
        work=work,
        share=share,
    )


def _of_parts(out: Path) -> list[Path]:
    """Oldest first: if two know a file, the one written last knows what it is now."""
    return sorted(out.glob(_OF_PARTS), key=lambda path: path.stat().st_mtime_ns)


def _write(path: Path, entries: Entries) -> None:
    lines = [json.dumps(entries[name], sort_keys=True) for name in sorted(entries)]
    write_text(path, "".join(line + "\n" for line in lines))
