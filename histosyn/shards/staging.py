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
from hpc.log import logger

_BLOCK_BYTES = 1 << 20


def staging_folder(index: DatasetIndex, to: Path) -> Path:
    """Where the copies of this data set lie below `to`."""
    identity = "".join(shard.sha256 for shard in index.shards)
    return to / f"histosyn-{sha256_of_bytes(identity.encode())[:16]}"


def stage(
    index: DatasetIndex,
    source: Path,
    to: Path,
    shards: Iterable[int],
    *,
    leave_damaged: bool = False,
) -> Iterator[Shard]:
    """Copy the shards with these numbers from `source` to `staging_folder(index, to)`.

    Yields each shard when it is there, whoever copied it. Raises DamagedFileError if a shard cannot
    be read or is not what the index says, unless such are to be left where they are; HistosynError
    if it cannot be written.
    """
    folder = staging_folder(index, to)
    waiting = [index.shards[number] for number in sorted(shards) if index.shards[number].samples]
    _make(folder, sum(_missing_bytes(folder, shard) for shard in waiting))
    # First those that nobody else is copying at this moment, then the rest.
    for wait in (False, True):
        for shard in list(waiting):
            with _lock(folder / f".{shard.name}.lock", wait=wait) as mine:
                if not mine:
                    continue
                if not _there(folder, shard):
                    _remove_remains(folder, shard)
                    try:
                        _copy(source / shard.name, folder / shard.name, shard)
                    except DamagedFileError as error:
                        if not leave_damaged:
                            raise
                        logger.warning("%s What is left of it is read where it lies.", error)
            waiting.remove(shard)
            yield shard


def _there(folder: Path, shard: Shard) -> bool:
    path = folder / shard.name
    return path.exists() and path.stat().st_size == shard.size_bytes


def _missing_bytes(folder: Path, shard: Shard) -> int:
    """What is still to be written of it, by this process or by one that is copying it now."""
    if _there(folder, shard):
        return 0
    return max(shard.size_bytes - sum(path.stat().st_size for path in _remains(folder, shard)), 0)


def _remains(folder: Path, shard: Shard) -> list[Path]:
    return list(folder.glob(f".{shard.name}.*.tmp"))


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
    for path in _remains(folder, shard):
        path.unlink(missing_ok=True)


def _copy(source: Path, target: Path, shard: Shard) -> None:
    digest = hashlib.sha256()
    try:
        with atomic_file(target) as copy:
            for block in _blocks(source):
                digest.update(block)
                copy.write(block)
            if digest.hexdigest() != shard.sha256:
                raise DamagedFileError(
                    f"{source} is not the shard that was indexed (its sha256 differs). Copy it "
                    "again or pack anew; to train without its damaged samples: "
                    "--data.on-bad-sample skip."
                )
    except OSError as error:
        raise HistosynError(
            f"{source} could not be copied to {target} ({error.strerror}). Make room, or train "
            "without data.stage_to."
        ) from error


def _blocks(source: Path) -> Iterator[bytes]:
    try:
        with source.open("rb") as file:
            while block := file.read(_BLOCK_BYTES):
                yield block
    except OSError as error:
        raise DamagedFileError(
            f"{source} cannot be read ({error.strerror}). Copy it again or pack anew; to train "
            "without its samples: --data.on-bad-sample skip."
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
