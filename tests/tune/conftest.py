"""Sweeps for the tests of this floor: Ray looks outside, and is shown nothing."""

import shutil
import subprocess
import sys
import tempfile

import pytest
from sweeping import LOOPBACK_UP, Sweeps
from tissue import pack_blobs


@pytest.fixture(scope="module")
def alone():
    """A command's prefix that takes it to a network with nothing but loopback."""
    unshare = shutil.which("unshare")
    if unshare is None:
        pytest.skip("unshare (util-linux) is not installed")
    for flags in ("-n", "-rn"):
        prefix = [unshare, flags, sys.executable, "-c", LOOPBACK_UP]
        probe = [*prefix, sys.executable, "-c",
                 "import socket; socket.create_server(('127.0.0.1', 0))"]  # fmt: skip
        if subprocess.run(probe, check=False, capture_output=True).returncode == 0:
            return prefix
    pytest.skip("this user may not make a network namespace")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    pack_blobs(root / "train", count=12)
    pack_blobs(root / "validation", count=8)
    return root


@pytest.fixture
def sweeps(alone, data, tmp_path):
    # Not below tmp_path: the name of a Unix socket has to be short.
    with tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp") as scratch:
        here = Sweeps(alone, data, tmp_path, scratch)
        yield here
        here.end()
