"""Shards on the node's own disk: copied once, checked against their sha256, shared by its ranks.

A copy takes its name only when its checksum is right, and lies in a folder named after the data
set's checksums: what has the name is the shard. Ranks and jobs that come at the same time share the
work; a lock held by one that was killed is free again.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from histosyn.shards.index import DatasetIndex, Shard
from hpc.errors import DamagedFileError, HistosynError
from hpc.files import atomic_file, sha256_of_bytes

_BLOCK_BYTES = 1 << 20


def staging_folder(index: DatasetIndex, to: Path) -> Path:
    """Where the copies of this data set lie below `to`."""
    identity = "".join(shard.sha256 for shard in index.shards)
    return to / f"histosyn-{sha256_of_bytes(identity.encode())[:16]}"


def stage(index: DatasetIndex, source: Path, to: Path, shards: Iterable[int]) -> Iterator[Shard]:
    """Copy the shards with these numbers from `source` to `staging_folder(index, to)`.

    Yields each shard when it is there, whoever copied it. Raises DamagedFileError if a shard is not
    what the index says, HistosynError if it cannot be read or written.
    """
    folder = staging_folder(index, to)
    waiting = [index.shards[number] for number in sorted(shards)]
    _make(folder, sum(shard.size_bytes for shard in waiting if not _there(folder, shard)))
    # First those that nobody else is copying at this moment, then the rest.
    for wait in (False, True):
        for shard in list(waiting):
            with _lock(folder / f".{shard.name}.lock", wait=wait) as mine:
                if not mine:
                    continue
                if not _there(folder, shard):
                    _remove_remains(folder, shard)
                    _copy(source / shard.name, folder / shard.name, shard)
            waiting.remove(shard)
            yield shard


def _there(folder: Path, shard: Shard) -> bool:
    path = folder / shard.name
    return path.exists() and path.stat().st_size == shard.size_bytes


def _make(folder: Path, needed_bytes: int) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise HistosynError(
            f"data.stage_to: {folder} cannot be made ({error.strerror}). Choose another folder."
        ) from error
    if free < needed_bytes:
        raise HistosynError(
            f"data.stage_to: the shards need {needed_bytes / 1e9:.1f} GB more on the disk of "
            f"{folder}, but {free / 1e9:.1f} GB are free. Choose another folder, or train without."
        )


def _remove_remains(folder: Path, shard: Shard) -> None:
    """Parts of copies whose process was killed; who holds the lock is the only one copying."""
    for path in folder.glob(f".{shard.name}.*.tmp"):
        path.unlink(missing_ok=True)


def _copy(source: Path, target: Path, shard: Shard) -> None:
    digest = hashlib.sha256()
    try:
        with source.open("rb") as original, atomic_file(target) as copy:
            while block := original.read(_BLOCK_BYTES):
                digest.update(block)
                copy.write(block)
            if digest.hexdigest() != shard.sha256:
                raise DamagedFileError(
                    f"{source} is not the shard that was indexed (its sha256 differs). Copy it "
                    "again or pack anew; to train without its damaged samples, leave out "
                    "data.stage_to and use --data.on-bad-sample skip."
                )
    except OSError as error:
        raise HistosynError(
            f"{source} could not be copied to {target} ({error.strerror}). Check both disks, or "
            "train without data.stage_to."
        ) from error


@contextmanager
def _lock(path: Path, *, wait: bool) -> Iterator[bool]:
    """Whether this process has the lock; with `wait` it is waited for."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)
