"""`--processes N`: a command on several processes of this machine, without torchrun.

The command line is checked here, once, before anything is started. The processes are ranks of one
group, as under torchrun; they have a session of their own, so that a signal reaches each of them
once: from here. What is wrong is told by one of them, and nothing comes after it.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from hpc.errors import HistosynError, InputError
from hpc.topology import (
    Rendezvous,
    is_alone,
    launcher_variables,
    loopback,
    places_on,
    rank_variables,
)

OPTION = "--processes"
# Commands whose work is shared by the ranks of a group.
ON_SEVERAL = (("train",), ("synth",), ("eval", "fid"), ("eval", "segmenter", "train"))
# What is answered by one process whatever else is asked for.
_FOR_ONE = ("--help", "-h", "--help-all", "--version", "-V", "--dry-run")

# Windows has but the first two.
_HEARD = tuple(
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGUSR2", "SIGHUP")
    if hasattr(signal, name)
)
_LOOK_SECONDS = 0.1
# Who presses Ctrl-C once may be heard twice.
_SAME_SECONDS = 1.0
# For the others to notice that one is gone, and to end by themselves (see `hpc.watchdog`).
_GRACE_SECONDS = 60.0


def take_processes(tokens: Sequence[str]) -> tuple[list[str], int]:
    """The command line without `--processes N`, and N: 1 if it isn't there.

    Raises InputError if N is no number of processes, or if they are started by something else.
    """
    rest = list(tokens)
    if not any(tuple(rest[: len(names)]) == names for names in ON_SEVERAL):
        return rest, 1
    at = next((i for i, token in enumerate(rest) if token.split("=")[0] == OPTION), None)
    if at is None:
        return rest, 1
    name, equals, value = rest.pop(at).partition("=")
    if not equals:
        value = rest.pop(at) if at < len(rest) else ""
    if not (value.isascii() and value.isdecimal() and int(value)):
        raise InputError(f"{name} {value}: how many processes? Give a number, such as 2.")
    if not is_alone():
        raise InputError(f"{name} under torchrun: it has started processes already. Leave one out.")
    return rest, 1 if any(token in _FOR_ONE for token in rest) else int(value)


def run_processes(tokens: Sequence[str], count: int) -> int:
    """Run a command on `count` processes of this machine; the exit code of the one that spoke.

    Raises HistosynError if none could, because all that failed were killed.
    """
    with _started(tokens, count) as ranks, _passing_on(ranks):
        _wait(ranks)
    codes = [rank.returncode for rank in ranks]
    told = [code for code in codes if code > 0]
    if told or not any(codes):
        return told[0] if told else 0
    rank, code = next((rank, code) for rank, code in enumerate(codes) if code)
    raise HistosynError(
        f"Process {rank} of {count} was killed by {signal.Signals(-code).name}: most often memory "
        "ran out. Ask for more, or start fewer. The same command goes on where it stopped."
    )


@contextmanager
def _started(tokens: Sequence[str], count: int) -> Iterator[list[subprocess.Popen[bytes]]]:
    """The ranks; whatever is left of them at the end is killed."""
    ranks: list[subprocess.Popen[bytes]] = []
    # Here it listens before anybody connects, and its port is nobody else's.
    with socket.create_server(("127.0.0.1", 0), backlog=count * 2) as meeting:
        try:
            host, port = meeting.getsockname()
            listening = meeting.fileno()
            point = Rendezvous(host=host, port=port, kept_by_first=True, listening=listening)
            for place in places_on([host] * count):
                variables = rank_variables(place, point) | launcher_variables()
                inherited = [listening] if place.is_first else []
                ranks.append(_start(tokens, variables, count, inherited))
            meeting.close()
            yield ranks
        finally:
            for rank in ranks:
                rank.kill()
                rank.wait()


def _start(
    tokens: Sequence[str], variables: dict[str, str], count: int, descriptors: list[int]
) -> subprocess.Popen[bytes]:
    # Pools of processes, which most commands do without, take a while to be imported.
    from hpc.parallel import usable_cores

    # Each would take all cores otherwise.
    threads = {"OMP_NUM_THREADS": str(max(1, usable_cores() // count))}
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "launch", *tokens],
        # Nobody else is to reach what the ranks tell each other, unless the user has other wishes.
        env=loopback() | threads | os.environ | variables,
        stdin=subprocess.DEVNULL,
        pass_fds=descriptors,
        start_new_session=True,
    )


@contextmanager
def _passing_on(ranks: Sequence[subprocess.Popen[bytes]]) -> Iterator[None]:
    """Signals go to the ranks, which know what to do; a terminal that is closed is SIGTERM."""
    heard: dict[int, float] = {}

    def pass_on(number: int, frame: FrameType | None) -> None:
        before, heard[number] = heard.get(number, -_SAME_SECONDS), time.monotonic()
        if heard[number] - before < _SAME_SECONDS:
            return
        for rank in ranks:
            rank.send_signal(signal.SIGTERM if number == signal.SIGHUP else number)

    before = {number: signal.signal(number, pass_on) for number in _HEARD}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def child_answers(process: subprocess.Popen[bytes]) -> Iterator[list[int]]:
    """While `process` is waited for, it is the one that answers; what was heard is in the list.

    A terminal sends Ctrl-C to both, so it is not passed on; the other signals are.
    """
    heard: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        heard.append(number)
        if number != signal.SIGINT:
            process.send_signal(signal.SIGTERM)

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, note) for number in numbers}
    try:
        yield heard
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        process.kill()
        process.wait()


def _wait(ranks: Sequence[subprocess.Popen[bytes]]) -> None:
    """Until all have ended, or one has failed and the others stay for too long."""
    failed: float | None = None
    while any(rank.poll() is None for rank in ranks):
        if failed is None and any(rank.returncode for rank in ranks):
            failed = time.monotonic()
        if failed is not None and time.monotonic() - failed > _GRACE_SECONDS:
            return
        time.sleep(_LOOK_SECONDS)
