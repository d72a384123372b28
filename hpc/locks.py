"""Folder locks (flock): one writer at a time; a lock names its owner and ends with that process.

path                  held for the moment in which somebody looks who else is there, and enters
path.PID-abcd1234     one for each owner, who holds it as long as it works; says who that is

A lock of the system (flock) is given back by a process that dies, of kill -9 too, and by the server
of a network file system when the client is gone. A file that nobody holds is therefore what a dead
process has left, and is removed by the next one.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import secrets
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO

from hpc.errors import DamagedFileError, InputError
from hpc.file_locks import lock
from hpc.records import ProcessId, Records, Text
from hpc.topology import job_id

logger = logging.getLogger("histosyn")

# Who enters holds the door for milliseconds; one that was stopped in it must not stop all others.
_PATIENCE_SECONDS = 20.0
_POLL_SECONDS = 0.1
_LARGEST_OWNER_BYTES = 1 << 14


def _now() -> str:
    return datetime.now().astimezone().isoformat(sep=" ", timespec="seconds")


@dataclass(frozen=True, kw_only=True)
class Owner:
    """Who holds a lock. Owners of the same `work` may hold it together, each with its own `share`.

    Without a name of the work nobody else may.
    """

    work: Text = ""
    share: Text = ""
    host: Text = field(default_factory=socket.gethostname)
    pid: ProcessId = field(default_factory=os.getpid)
    job: Text | None = field(default_factory=job_id)
    since: Text = field(default_factory=_now)

    def __str__(self) -> str:
        job = f", job {self.job}" if self.job else ""
        share = f", part {self.share}" if self.share else ""
        return f"process {self.pid} on {self.host}{job}{share}, since {self.since}"

    def may_join(self, other: Owner) -> bool:
        """Whether both may work in the folder at the same time."""
        return bool(self.work) and self.work == other.work and self.share != other.share


_OWNERS = Records(kind=Owner, remedy="It goes when its owner does.")


def _nothing() -> None:
    pass


@contextmanager
def locked(
    path: Path,
    *,
    busy: str,
    risk: str,
    work: str = "",
    share: str = "",
    wait: bool = False,
    before: Callable[[], None] = _nothing,
) -> Iterator[None]:
    """Hold the lock `path` during the block; its folders are made if need be, and go then if empty.

    Owners with the same `work`, such as the parts of a job array, hold it together, each with its
    own `share`. `before` is called ahead of each attempt, to look whether it still makes sense. If
    another process holds the lock, raises InputError(busy) and says which, or waits for it. Where
    the file system knows no locks there is a warning that ends with `risk`.
    """
    made = [folder for folder in path.parents if not folder.exists()]
    mine = Owner(work=work, share=share)
    file = _entered(path, mine, busy, risk, wait, before)
    try:
        with file:
            try:
                yield
            finally:
                Path(file.name).unlink(missing_ok=True)
    finally:
        # After closing: network file systems keep a file, and so its folder, as long as it is open.
        with suppress(OSError):
            for folder in made:
                folder.rmdir()


def _entered(
    path: Path, mine: Owner, busy: str, risk: str, wait: bool, before: Callable[[], None]
) -> IO[bytes]:
    """The file of this owner, open: whoever closes it gives the lock back."""
    told = False
    while True:
        before()
        with _door(path, busy, risk):
            rival = _rival(path, mine)
            if rival is None:
                return _new_owner(path, mine)
        if not wait:
            raise InputError(f"{busy} It is {rival}.")
        if not told:
            logger.info("%s Waiting for it: %s.", busy, rival)
            told = True
        time.sleep(_POLL_SECONDS)


@contextmanager
def _door(path: Path, busy: str, risk: str) -> Iterator[None]:
    """Only one process at a time looks who is there and enters."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Who held the door may remove it, or the folder, at any moment: then try again.
        with suppress(FileNotFoundError), ExitStack() as unless_held:
            file = unless_held.enter_context(path.open("ab"))
            try:
                free = _take(file)
            except OSError as error:
                logger.warning("%s cannot be locked (%s). %s", path.parent, error.strerror, risk)
                free = True
            if free and os.path.samestat(path.stat(), os.fstat(file.fileno())):
                unless_held.pop_all()
                break
        if time.monotonic() > deadline:
            raise InputError(busy)
        time.sleep(_POLL_SECONDS / 10)
    with file:
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def _take(file: IO[bytes]) -> bool:
    """Whether nobody else holds it; OSError where the file system knows no locks."""
    try:
        lock(file)
    except BlockingIOError:
        return False
    return True


def _rival(path: Path, mine: Owner) -> Owner | None:
    """An owner who works at something else; lock files of dead processes are removed."""
    for other in sorted(path.parent.glob(f"{path.name}.*-*")):
        with suppress(FileNotFoundError), _opened(other) as file:
            owner = _read(file)
            if not _is_held(file, owner):
                other.unlink(missing_ok=True)
            elif not mine.may_join(owner):
                return owner
    return None


def _opened(path: Path) -> IO[bytes]:
    """To be locked: over NFS only who may write can hold a lock that nobody shares."""
    try:
        return path.open("r+b")
    except PermissionError:
        return path.open("rb")


def _read(file: IO[bytes]) -> Owner:
    try:
        return _OWNERS.parse(file.read(_LARGEST_OWNER_BYTES), file.name)
    except DamagedFileError:
        # It may be on its way to be written; whether it is held is not asked of its words.
        return Owner(host="an unknown host", pid=0, job=None, since="an unknown time")


def _is_held(file: IO[bytes], owner: Owner) -> bool:
    try:
        return not _take(file)
    except OSError as error:
        # Of this host's processes it can be said which are alive. Of others not: where there are no
        # locks, who died there must not keep everybody out for ever; where we may not look, the
        # file being another user's, it is taken for held.
        if owner.host == socket.gethostname():
            return _is_alive(owner.pid)
        return error.errno == errno.EBADF


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return pid > 0


def _new_owner(path: Path, mine: Owner) -> IO[bytes]:
    name = path.with_name(f"{path.name}.{mine.pid}-{secrets.token_hex(4)}")
    with ExitStack() as unless_written:
        file = unless_written.enter_context(name.open("xb"))
        # A full disk has room for a name, not for what it says.
        unless_written.callback(name.unlink, missing_ok=True)
        with suppress(OSError):
            _take(file)
        file.write(json.dumps(asdict(mine)).encode())
        file.flush()
        unless_written.pop_all()
    return file
