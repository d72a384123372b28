"""Check of process groups: two processes of this machine run an all-reduce with gloo."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from hpc.topology import loopback
from launch.system_check.outcome import Outcome, failure, last_line, ok

_RANKS = 2
_LIMIT_SECONDS = 60.0
_PROGRAM = "launch.system_check.gloo_rank"
_REMEDY = (
    "Processes of one job must reach each other over the network of their own machine: look for a "
    "firewall, a proxy, or a limit on processes or memory (ulimit -a)."
)


def gloo() -> Outcome:
    """Start two processes on the loopback network that sum a number, and end them in any case."""
    started = time.monotonic()
    ranks: list[subprocess.Popen[str]] = []
    with _reserved_port() as port:
        try:
            for rank in range(_RANKS):
                ranks.append(_start(rank, port))
            _wait(ranks)
            codes = [process.poll() for process in ranks]
        finally:
            for process in ranks:
                process.kill()
    errors = [process.communicate()[1] for process in ranks]
    seconds = time.monotonic() - started
    if any(codes):
        first = next(index for index, code in enumerate(codes) if code)
        return failure(
            f"process {first} of {_RANKS} ended with {codes[first]}: {last_line(errors[first])}",
            _REMEDY,
        )
    if None in codes:
        return failure(f"{_RANKS} processes did not meet within {seconds:.0f} s", _REMEDY)
    return ok(f"{_RANKS} processes met and summed a number in {seconds:.1f} s, imports included")


@contextmanager
def _reserved_port() -> Iterator[int]:
    """A port that nobody is given meanwhile, yet a process that names it may listen on it."""
    with socket.socket() as reserved:
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reserved.bind(("127.0.0.1", 0))
        yield reserved.getsockname()[1]


def _start(rank: int, port: int) -> subprocess.Popen[str]:
    environment = os.environ | {
        "RANK": str(rank),
        "WORLD_SIZE": str(_RANKS),
        "LOCAL_RANK": str(rank),
        "LOCAL_WORLD_SIZE": str(_RANKS),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "TORCHELASTIC_USE_AGENT_STORE": "False",
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join(sys.path),
        # Its name may have no address.
        **loopback(),
    }
    return subprocess.Popen(
        [sys.executable, "-P", "-m", _PROGRAM],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def _wait(processes: Sequence[subprocess.Popen[str]]) -> None:
    """Until all have ended, one has failed, or the time is up."""
    deadline = time.monotonic() + _LIMIT_SECONDS
    while time.monotonic() < deadline:
        codes = [process.poll() for process in processes]
        if None not in codes or any(codes):
            return
        time.sleep(0.05)
