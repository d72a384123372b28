"""Shards on the node's own disk: copied once, checked against their sha256, shared by its ranks.

The disk may be one that all users of the node write to. Copies lie in a folder of the user's own,
which nobody else may enter, named after the data set's checksums; a copy counts only if its sha256
was compared, by whoever made it or by who found it there. That it was is noted in its lock file,
with the facts that change when the copy does: so a job that starts again need not read it all. A
lock held by a process that was killed is free again.
"""

from __future__ import annotations

import glob
import hashlib
import json
import os
import shutil
import stat
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from histosyn.shards.index import DatasetIndex, Shard
from hpc.errors import DamagedFileError, HistosynError
from hpc.file_locks import lock
from hpc.files import atomic_file, open_regular_file, sha256_of_bytes, sha256_of_file
from hpc.log import logger

_BLOCK_BYTES = 1 << 20
_LONGEST_NOTE_BYTES = 4096


def staging_folder(index: DatasetIndex, to: Path) -> Path:
    """Where this user's copies of this data set lie below `to`."""
    identity = "".join(shard.sha256 for shard in index.shards)
    return to / f"histosyn-{os.geteuid()}-{sha256_of_bytes(identity.encode())[:16]}"


def stage(
    index: DatasetIndex,
    source: Path,
    to: Path,
    shards: Iterable[int],
    *,
    leave_damaged: bool = False,
) -> Iterator[Shard]:
    """Copy the shards with these numbers from `source` to `staging_folder(index, to)`.

    Yields each shard when it is there, whoever copied it. What lies there unchecked and is not
    asked for is removed: nobody shall read it. Raises DamagedFileError if a shard cannot be read or
    is not what the index says, unless such are to be left where they are; HistosynError if it
    cannot be written, or if the folder is a link or somebody else's.
    """
    folder = staging_folder(index, to)
    wanted = set(shards)
    waiting = [index.shards[number] for number in sorted(wanted) if index.shards[number].samples]
    _make(folder, sum(_missing_bytes(folder, shard) for shard in waiting))
    _remove_unchecked(folder, set(index.shards) - set(waiting))
    compared = _Compared()
    # First those that nobody else is copying at this moment, then the rest.
    for wait in (False, True):
        for shard in list(waiting):
            with _lock(folder, shard, wait=wait) as lock:
                if lock is None:
                    continue
                if not _is_right(lock, folder / shard.name, shard, compared):
                    _remove_remains(folder, shard)
                    try:
                        _copy(source / shard.name, folder / shard.name, shard)
                        _note(lock, folder / shard.name, shard)
                    except DamagedFileError as error:
                        if not leave_damaged:
                            raise
                        logger.warning("%s What is left of it is read where it lies.", error)
            waiting.remove(shard)
            yield shard
    compared.tell(folder)


class _Compared:
    """Copies that were found and had to be read: how many, and what it cost."""

    def __init__(self) -> None:
        self.copies = self.size_bytes = 0
        self.seconds = 0.0

    def digest(self, copy: Path, size_bytes: int) -> str:
        """The sha256 of a copy."""
        started = time.monotonic()
        found = sha256_of_file(copy)
        self.seconds += time.monotonic() - started
        self.copies += 1
        self.size_bytes += size_bytes
        return found

    def tell(self, folder: Path) -> None:
        """Say it once, if there were any."""
        if self.copies:
            logger.info(
                "%d shards lay in %s already, with no note that they were checked: their sha256 "
                "were compared (%.1f GB in %.0f s).",
                self.copies, folder, self.size_bytes / 1e9, self.seconds,
            )  # fmt: skip


def _is_right(lock: int, copy: Path, shard: Shard, compared: _Compared) -> bool:
    """Whether a copy is there and is the shard; what is there and is not, is removed."""
    if not os.path.lexists(copy):
        return False
    if _is_noted(lock, copy, shard):
        return True
    try:
        status = copy.lstat()
        plausible = _is_own_file(status) and status.st_size == shard.size_bytes
        if plausible and compared.digest(copy, shard.size_bytes) == shard.sha256:
            _note(lock, copy, shard)
            return True
        logger.warning("%s is not the shard of that name: it is replaced.", copy)
        copy.unlink()
    except OSError as error:
        raise HistosynError(
            f"{copy} is not the shard of that name and cannot be replaced ({error.strerror}). "
            "Remove it."
        ) from error
    return False


def _note(lock: int, copy: Path, shard: Shard) -> None:
    """Write down that this copy, as it is now, has been compared with the index."""
    os.ftruncate(lock, 0)
    os.pwrite(lock, _facts(copy.lstat(), shard), 0)


def _is_noted(lock: int, copy: Path, shard: Shard) -> bool:
    status = copy.lstat()
    return (
        _is_own_file(status)
        and _is_own_file(os.fstat(lock))
        and os.pread(lock, _LONGEST_NOTE_BYTES, 0) == _facts(status, shard)
    )


def _facts(status: os.stat_result, shard: Shard) -> bytes:
    """What is no longer so when a file is written to, or another one takes its place."""
    times = (status.st_mtime_ns, status.st_ctime_ns)
    return json.dumps([shard.sha256, status.st_ino, status.st_size, *times]).encode()


def _is_own_file(status: os.stat_result) -> bool:
    return stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid()


def _remove_unchecked(folder: Path, shards: Iterable[Shard]) -> None:
    """Remove copies without a note: a reader that comes to need such a shard would believe them."""
    for shard in shards:
        copy = folder / shard.name
        if os.path.lexists(copy):
            with _lock(folder, shard, wait=False) as lock:
                if lock is not None and not _is_noted(lock, copy, shard):
                    copy.unlink(missing_ok=True)


def _missing_bytes(folder: Path, shard: Shard) -> int:
    """What is still to be written of it, by this process or by one that is copying it now."""
    # Parts first: one that is renamed meanwhile is then found as the copy.
    written = sum(_size_of(part) for part in _remains(folder, shard))
    if _size_of(folder / shard.name) == shard.size_bytes:
        return 0
    return max(shard.size_bytes - written, 0)


def _size_of(path: Path) -> int:
    """In bytes; 0 of what another process has moved or removed."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _remains(folder: Path, shard: Shard) -> list[Path]:
    return list(folder.glob(f".{glob.escape(shard.name)}.*.tmp"))


def _make(folder: Path, needed_bytes: int) -> None:
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        _require_own(folder)
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


def _require_own(folder: Path) -> None:
    """Whoever may write into the folder decides what is trained on: only this user may."""
    status = folder.lstat()
    kind = None
    if not stat.S_ISDIR(status.st_mode):
        kind = "is a link or file, not a folder"
    elif status.st_uid != os.geteuid():
        kind = f"belongs to another user (uid {status.st_uid})"
    if kind:
        raise HistosynError(
            f"data.stage_to: {folder} {kind}, so others decide what lies there. Have it removed, "
            "or choose another folder."
        )
    if stat.S_IMODE(status.st_mode) != 0o700:
        folder.chmod(0o700)


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
        with open_regular_file(source) as file:
            while block := file.read(_BLOCK_BYTES):
                yield block
    except OSError as error:
        raise DamagedFileError(
            f"{source} cannot be read ({error.strerror}). Copy it again or pack anew; to train "
            "without its samples: --data.on-bad-sample skip."
        ) from error


@contextmanager
def _lock(folder: Path, shard: Shard, *, wait: bool) -> Iterator[int | None]:
    """The descriptor of a shard's lock file; None if another process has it. `wait` waits."""
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    path = folder / f".{shard.name}.lock"
    try:
        descriptor = os.open(path, flags, 0o600)
    except OSError as error:
        raise HistosynError(
            f"{path} cannot be opened ({error.strerror}). Remove it, or choose another folder for "
            "data.stage_to."
        ) from error
    try:
        try:
            lock(descriptor, wait=wait)
        except BlockingIOError:
            yield None
        else:
            yield descriptor
    finally:
        os.close(descriptor)
