"""The journal of packing: an entry for each finished shard, from which the same command resumes.

.OUT.packing/
    lock.PID-...    held by the process that packs (see hpc.locks)
    plan.json       what is packed and how: another plan, and all of this is worthless
    pairs           digests of the pairs: what stood before the first changed pair is kept
    journal/        000000.json, ...: a finished shard, and where to go on after it
    pieces/         what parts of the work have made (see histosyn.packing.pieces)
    data/           what becomes OUT
"""

from __future__ import annotations

import logging
import shutil
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from histosyn.packing.jobs import DIGEST_BYTES
from histosyn.shards.index import ShardRecord
from hpc.errors import DamagedFileError, InputError
from hpc.files import sync_folder, write_bytes, write_json
from hpc.job_array import Part
from hpc.locks import locked
from hpc.records import Count, FileName, Records, Side, Text
from hpc.temporary_names import remove_leftovers

logger = logging.getLogger("histosyn")

# What reading a missing or damaged entry, or looking for a shard that is gone, raises.
_NO_NOTE = (FileNotFoundError, DamagedFileError)


@dataclass(kw_only=True)
class Progress:
    """After a shard: `taken` samples of pair number `pair` are in shards, and all before it.

    `samples` counts by part, as does `left_out`, which is of the pairs before `pair`. `unread`
    has, by source, the number of crops that could not be read, and why the first could not.
    `tile_size` is that of all samples, once there is one.
    """

    pair: int = 0
    taken: int = 0
    tile_size: tuple[int, int] | None = None
    samples: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    unread: dict[str, tuple[int, str]] = field(default_factory=dict)

    def snapshot(self) -> Progress:
        """As it is now."""
        copies = {name: getattr(self, name).copy() for name in ("samples", "left_out", "unread")}
        return Progress(**vars(self) | copies)


@dataclass(frozen=True, kw_only=True)
class JournalEntry:
    """A finished shard of a part, and how far packing was then."""

    part: str
    record: ShardRecord
    progress: Progress

    def as_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "part": self.part,
            "record": self.record.as_dict(),
            "progress": vars(self.progress),
        }


@dataclass(frozen=True, kw_only=True)
class _SavedProgress:
    pair: Count
    taken: Count
    tile_size: tuple[Side, Side] | None
    samples: dict[str, Count]
    left_out: dict[str, Count]
    unread: dict[str, tuple[Count, Text]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class _SavedEntry:
    part: FileName
    record: ShardRecord
    progress: _SavedProgress


@dataclass(frozen=True, kw_only=True)
class _SavedPlan:
    """Any: it is compared as a whole."""


_NOTES = Records(kind=_SavedEntry, remedy="Pack again.")
_PLANS = Records(kind=_SavedPlan, remedy="Pack again.")


class WorkFolder:
    """The folder in which OUT is made. `locked_work_folder` says who may use it."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.path = out.with_name(f".{out.name}.packing")
        self.data = self.path / "data"
        self.pieces = self.path / "pieces"
        self._journal = self.path / "journal"
        # The part of each entry.
        self._parts: list[str] = []

    def resume(self, plan: dict[str, Any], pairs: bytes) -> Progress:
        """Where to go on: after the last shard that is what `plan` and `pairs` ask for.

        Removes all else that an earlier run left.
        """
        kept: set[Path] = set()
        progress = Progress()
        self._parts = []
        for entry in self._entries_to_keep(plan, pairs):
            kept.add(self._shard_path(entry))
            self._parts.append(entry.part)
            progress = entry.progress
        if self._entry_path(0).exists() and not kept:
            logger.info("Earlier work in %s was for other files or settings: begin anew", self.path)
        self._remove_all_but(kept)
        write_bytes(self.path / "pairs", pairs)
        write_json(self.path / "plan.json", plan)
        if kept:
            logger.info("Go on after %d finished shards, at pair %d", len(kept), progress.pair + 1)
        return progress

    def append(self, entry: JournalEntry) -> None:
        """Keep a shard that is finished and on the disk."""
        write_json(self._entry_path(len(self._parts)), entry.as_dict())
        self._parts.append(entry.part)

    def records(self, part: str) -> Collection[ShardRecord]:
        """The shards of a part in their order, read anew whenever they are gone through."""
        return _Records(self, part)

    def entries(self, part: str) -> Iterator[JournalEntry]:
        """The entries of a part in their order; raises DamagedFileError if one cannot be read."""
        for number, its_part in enumerate(self._parts):
            if its_part != part:
                continue
            path = self._entry_path(number)
            try:
                yield _read_entry(path)
            except FileNotFoundError as error:
                raise DamagedFileError(f"{path} is gone. Pack again.") from error

    def publish(self) -> None:
        """The data become OUT, all at once."""
        sync_folder(self.data)
        # Renaming would replace an empty folder.
        require_absent(self.out)
        self.data.rename(self.out)
        sync_folder(self.out.parent)
        shutil.rmtree(self.path, ignore_errors=True)

    def forget_if_empty(self) -> None:
        """Leave nothing behind if nothing was finished."""
        if not self._entry_path(0).exists() and not self.pieces.exists():
            shutil.rmtree(self.path, ignore_errors=True)

    def _entries_to_keep(self, plan: dict[str, Any], pairs: bytes) -> Iterator[JournalEntry]:
        try:
            same_plan = _PLANS.read_plain(self.path / "plan.json") == plan
            before = (self.path / "pairs").read_bytes()
        except _NO_NOTE:
            return
        same_pairs = _equal_digests(before, pairs)
        for number in count() if same_plan else ():
            try:
                entry = _read_entry(self._entry_path(number))
                whole = self._shard_path(entry).stat().st_size == entry.record.size_bytes
            except _NO_NOTE:
                return
            if not whole or entry.progress.pair >= same_pairs:
                return
            yield entry

    def _remove_all_but(self, shards: set[Path]) -> None:
        """Entries before shards: an entry always has its shard."""
        self._journal.mkdir(exist_ok=True)
        notes = {self._entry_path(number) for number in range(len(shards))}
        for path in sorted(set(self._journal.iterdir()) - notes, reverse=True):
            path.unlink()
        sync_folder(self._journal)
        self.data.mkdir(exist_ok=True)
        for path in {path for path in self.data.rglob("*") if path.is_file()} - shards:
            path.unlink()
        for folder in self.data.iterdir():
            if not any(folder.iterdir()):
                folder.rmdir()

    def _shard_path(self, entry: JournalEntry) -> Path:
        return self.data / entry.part / entry.record.name

    def _entry_path(self, number: int) -> Path:
        return self._journal / f"{number:06d}.json"


def _read_entry(path: Path) -> JournalEntry:
    saved = _NOTES.read(path)
    counts = {name: Counter(getattr(saved.progress, name)) for name in ("samples", "left_out")}
    return JournalEntry(
        part=saved.part,
        record=saved.record,
        progress=Progress(**vars(saved.progress) | counts),
    )


class _Records(Collection[ShardRecord]):
    """The shards of a part, one at a time in memory: there may be ten thousand."""

    def __init__(self, work: WorkFolder, part: str) -> None:
        self._work = work
        self._part = part

    def __iter__(self) -> Iterator[ShardRecord]:
        return (entry.record for entry in self._work.entries(self._part))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __contains__(self, record: object) -> bool:
        return any(record == mine for mine in self)


def require_absent(out: Path) -> None:
    """Raise InputError if there is something of this name, be it a link that leads nowhere."""
    if out.exists() or out.is_symlink():
        raise InputError(f"{out} exists already. Remove it or choose another name.")


@contextmanager
def locked_work_folder(out: Path, part: Part | None = None) -> Iterator[WorkFolder]:
    """The work folder beside `out`, made if need be, for one process at a time.

    Different parts of the work may use it together. Raises InputError if `out` exists or another
    process is packing into it.
    """
    require_absent(out)
    work = WorkFolder(out)
    with locked(
        work.path / "lock",
        busy=f"Another process is packing into {out}. Wait for it, or choose another name.",
        risk=f"Let no other process pack into {out}.",
        work="" if part is None else "parts",
        share="" if part is None else str(part),
        # Again at each attempt: who held the lock may have finished.
        before=lambda: require_absent(out),
    ):
        remove_leftovers(work.path)
        try:
            yield work
        except BaseException:
            work.forget_if_empty()
            raise


def _equal_digests(one: bytes, other: bytes) -> int:
    """How many digests at the beginning are the same."""
    length = min(len(one), len(other)) // DIGEST_BYTES
    rows = [np.frombuffer(data, f"V{DIGEST_BYTES}", length) for data in (one, other)]
    different = np.flatnonzero(rows[0] != rows[1])
    return int(different[0]) if len(different) else length
