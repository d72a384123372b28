"""Sockets whose paths fit, whatever TMPDIR is."""

import multiprocessing
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from launching import environment

from hpc import socket_folder
from hpc.errors import InputError
from hpc.socket_folder import SOCKET_PATH_BYTES, short_folder


@pytest.fixture
def temporary(monkeypatch):
    """Sets TMPDIR and forgets what was known of it."""

    def choose(folder):
        monkeypatch.setenv("TMPDIR", str(folder))
        monkeypatch.setattr(tempfile, "tempdir", None)

    return choose


def long_folder(root, length=120):
    folder = root
    while len(str(folder)) < length:
        folder = folder / ("ä" * 20)
    folder.mkdir(parents=True)
    return folder


def test_what_is_short_enough_is_used(temporary, tmp_path):
    temporary(tmp_path)
    assert short_folder(SOCKET_PATH_BYTES - len(str(tmp_path))) == tmp_path
    assert short_folder(SOCKET_PATH_BYTES - len(str(tmp_path)) + 1) != tmp_path


def test_bytes_are_counted_not_characters(temporary, tmp_path):
    folder = long_folder(tmp_path)
    temporary(folder)
    assert short_folder(SOCKET_PATH_BYTES - len(str(folder))) != folder


def test_it_must_be_a_folder_to_write_to(temporary, tmp_path, monkeypatch):
    temporary(long_folder(tmp_path))
    runtime = tmp_path / "run"
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    monkeypatch.setattr(socket_folder, "_SHORT_FOLDERS", ("/proc/nowhere",))
    with pytest.raises(InputError, match=r"TMPDIR = .* characters.* at most 17.*/scratch/\$USER"):
        short_folder(SOCKET_PATH_BYTES - 17)
    runtime.mkdir()
    assert short_folder(SOCKET_PATH_BYTES - len(str(runtime))) == runtime


SCRIPT = """
import multiprocessing, operator, os, sys
from pathlib import Path
from hpc.parallel import map_in_order
from hpc.socket_folder import keep_sockets_short

def made_here():
    import tempfile
    return tempfile.gettempdir()

if __name__ == "__main__":
    keep_sockets_short()
    context = multiprocessing.get_context("forkserver")
    with context.Pool(1) as pool:
        assert pool.apply(made_here) == os.environ["TMPDIR"]
    with context.Manager() as manager:
        shared = manager.list([3])
        assert list(shared) == [3]
    assert list(map_in_order(operator.neg, range(40), 2)) == [-n for n in range(40)]
    print(multiprocessing.util.get_temp_dir())
"""


def test_processes_start_where_tmpdir_is_long(tmp_path):
    """All that multiprocessing has sockets for; other temporary files stay in TMPDIR."""
    folder, script = long_folder(tmp_path), tmp_path / "script.py"
    script.write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, str(script)], env=environment(TMPDIR=str(folder)),
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    used = Path(done.stdout.strip())
    assert not used.is_relative_to(folder)
    assert not used.exists(), "it is removed at the end"


def test_a_short_tmpdir_is_where_sockets_lie():
    socket_folder.keep_sockets_short()
    assert len(os.fsencode(multiprocessing.util.get_temp_dir())) < SOCKET_PATH_BYTES
