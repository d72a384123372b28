"""A reader in a child of its own: with limits of memory and time, and eyes on what it opens.

The child is a fork, so that torch is imported once for all.
"""

from __future__ import annotations

import os
import resource
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

CPU_SECONDS = 20
WALL_SECONDS = 150
# Above what this process holds; a reader that touches more than a third of it is told anyway.
ROOM_BYTES = 3 << 30
TRACEBACK_CODE = 70
CANARY_CODE = 71
LOG, FOUND = "log.txt", "found.txt"
_STARTS = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "pty.spawn")


@dataclass(frozen=True)
class Ended:
    """How a child ended: `code` is its exit code, minus a signal, or None if it took too long."""

    code: int | None
    log: str
    found: str
    peak_bytes: int
    seconds: float


def run(read: Callable[[], object], folder: Path, here: Path) -> Ended:
    """Call `read` in `folder`; what it says and returns goes to files in `here`."""
    sys.stdout.flush()
    began = time.monotonic()
    child = os.fork()
    if not child:
        _be_child(read, folder, here)
    code, peak = _wait(child, began + WALL_SECONDS)
    seconds = time.monotonic() - began
    log = (here / LOG).read_text("utf-8", errors="replace")
    found = (here / FOUND).read_text("utf-8", errors="replace") if code == 0 else ""
    return Ended(code, log, found, peak, seconds)


def _wait(child: int, until: float) -> tuple[int | None, int]:
    """Its exit code and its peak memory in bytes."""
    pause = 0.002
    while True:
        ended, status, usage = os.wait4(child, os.WNOHANG)
        if ended:
            code = os.waitstatus_to_exitcode(status)
            return None if code == -signal.SIGXCPU else code, usage.ru_maxrss << 10
        if time.monotonic() > until:
            os.kill(child, signal.SIGKILL)
            os.wait4(child, 0)
            return None, 0
        time.sleep(pause)
        pause = min(pause * 1.5, 0.05)


def _be_child(read: Callable[[], object], folder: Path, here: Path) -> None:
    code = TRACEBACK_CODE
    try:
        _settle(folder, here)
        code = _result(read, here)
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(code)


def _settle(folder: Path, here: Path) -> None:
    log = os.open(here / LOG, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    for stream in (1, 2):
        os.dup2(log, stream)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for name, stream in (("stdout", 1), ("stderr", 2)):
        file = os.fdopen(stream, "w", encoding="utf-8", errors="backslashreplace", closefd=False)
        setattr(sys, name, file)
    os.chdir(folder)
    os.environ.update(
        HOME=str(here), XDG_CACHE_HOME=str(here / "cache"), TMPDIR=str(here), PATH=str(here / "bin")
    )
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS + 5))
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 30, 1 << 30))
    held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (held + ROOM_BYTES, held + ROOM_BYTES))
    sys.addaudithook(lambda event, values: _watch(event, values, here.parent))


def _watch(event: str, values: tuple[object, ...], inside: Path) -> None:
    """No reader starts a program, unpickles, or opens a file elsewhere to write to it."""
    if event == "subprocess.Popen" and values[0] == "squeue":
        # How a job stands, which the state of a run names, SLURM knows.
        return
    if event in _STARTS or event == "pickle.find_class":
        _sing(f"{event} {values}")
    if event == "open" and isinstance(values[0], (str, bytes)):
        path, mode, flags = str(Path.cwd() / os.fsdecode(values[0])), values[1], values[2]
        writes = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        if writes and not path.startswith((f"{inside}/", "/dev/null", "/dev/shm/", "/proc/self/")):
            _sing(f"open {path} {mode}")


def _sing(what: str) -> None:
    os.write(2, f"CANARY: {what}\n".encode(errors="replace"))
    traceback.print_stack()
    sys.stderr.flush()
    os._exit(CANARY_CODE)


def _result(read: Callable[[], object], here: Path) -> int:
    """As the command line does it: errors for users are told in one message."""
    from hpc.errors import HistosynError

    try:
        found = read()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    except (HistosynError, OSError) as error:
        # As `launch.cli` tells them.
        print(f"histosyn: {error}".replace("\nhistosyn:", "\n"), file=sys.stderr)
        return getattr(error, "exit_code", 1)
    (here / FOUND).write_text(repr(found), "utf-8", errors="backslashreplace")
    return 0


def clear(folder: Path) -> None:
    """A folder, empty."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
