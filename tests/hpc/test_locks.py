"""Locks of real processes: one holds it, none keeps it beyond its end, nothing is left behind."""

import os
import signal
import subprocess
import sys

import pytest

from hpc.errors import InputError
from hpc.locks import locked

HOLD = """
import sys, time
from pathlib import Path
from hpc.locks import locked
with locked(Path(sys.argv[1]), busy="taken", risk=""):
    print("held", flush=True)
    time.sleep(600)
"""


def lock(path, **options):
    return locked(path, **{"busy": "it is taken", "risk": "Take care."} | options)


def test_two_cannot_hold_it_and_nothing_is_left(tmp_path):
    path = tmp_path / "run" / "lock"
    with lock(path):
        with pytest.raises(InputError, match="it is taken"), lock(path):
            pass
        assert path.exists()
    with lock(path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_other_things_stays(tmp_path):
    with lock(tmp_path / "run" / "lock"):
        (tmp_path / "run" / "work").touch()
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["work"]


def test_it_ends_with_its_process(tmp_path):
    path = tmp_path / "lock"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(InputError), lock(path):
            pass
        os.kill(holder.pid, signal.SIGKILL)
    finally:
        holder.kill()
        holder.communicate()
    with lock(path):
        pass


def test_what_makes_no_sense_any_more_is_not_locked(tmp_path):
    def refuse():
        raise InputError("done meanwhile")

    with pytest.raises(InputError, match="done meanwhile"), lock(tmp_path / "lock", before=refuse):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_file_system_without_locks_is_a_warning(tmp_path, monkeypatch, caplog):
    def no_locks(*_):
        raise OSError(37, "No locks available")

    monkeypatch.setattr("hpc.locks.fcntl.flock", no_locks)
    with lock(tmp_path / "lock"):
        pass
    assert "cannot be locked (No locks available). Take care." in caplog.text
