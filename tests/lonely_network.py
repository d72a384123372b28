"""A network with nothing but loopback, for programs that look outside, such as Ray."""

import shutil
import subprocess
from contextlib import contextmanager

import pytest

# Without an address that is not loopback's, getaddrinfo finds none for numbers either.
_HOLD = "ip link set lo up && ip address add 10.9.8.7/32 dev lo && echo ready && exec cat"


@contextmanager
def lonely_network():
    """The prefix of commands that are to run in one such network; skips where none can be made."""
    missing = [name for name in ("unshare", "nsenter", "ip") if shutil.which(name) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} (util-linux, iproute2) is not installed")
    with subprocess.Popen(
        ["unshare", "--net", "sh", "-c", _HOLD],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as holder:  # fmt: skip
        if holder.stdout.readline() != "ready\n":
            pytest.skip(f"no network namespace can be made: {holder.stderr.read()}")
        try:
            yield ["nsenter", f"--net=/proc/{holder.pid}/ns/net"]
        finally:
            holder.kill()
