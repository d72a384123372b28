"""Die before a chosen operation on files: kill -9 at the instants that matter.

An operation is whatever changes files below a folder: opening one to write, mkdir, rename, remove,
rmdir, chmod, and fsync. Python's audit events tell of all of them, from any thread, but for fsync.
"""

import os
import signal
import sys
from pathlib import Path
from threading import Lock

_CHANGES = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.chmod")
_WRITING = os.O_WRONLY | os.O_RDWR


def kill_before(number, folder):
    """From now on this process dies before operation `number` below `folder`; 0 is the first."""
    left = number
    lock = Lock()
    folder = str(Path(folder).resolve())

    def count(path, folder_descriptor=-1):
        nonlocal left
        if not _absolute(path, folder_descriptor).startswith(folder):
            return
        with lock:
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left -= 1

    def audit(event, arguments):
        if event in _CHANGES:
            count(arguments[0], arguments[-1])
        elif event == "open" and arguments[2] & _WRITING and not isinstance(arguments[0], int):
            count(arguments[0])

    fsync = os.fsync

    def counted_fsync(descriptor):
        count(descriptor)
        fsync(descriptor)

    sys.addaudithook(audit)
    os.fsync = counted_fsync


def dies(action):
    """Do it in a child of this process; whether that was killed. Its failing is a failure here."""
    child = os.fork()
    if child == 0:
        try:
            action()
        except BaseException:
            sys.excepthook(*sys.exc_info())
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, "the child failed"
    return os.WIFSIGNALED(status)


def _absolute(path, folder_descriptor):
    """Where an operation takes place: what it names may be a descriptor, or lie below one."""
    if isinstance(path, int):
        return str(_opened(path))
    place = _opened(folder_descriptor) if folder_descriptor >= 0 else Path.cwd()
    return str(place / os.fsdecode(path))


def _opened(descriptor):
    return Path(f"/proc/self/fd/{descriptor}").readlink()
