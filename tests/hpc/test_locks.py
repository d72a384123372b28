"""Locks of real processes: one holds it, none keeps it beyond its end, nothing is left behind."""

import errno
import fcntl
import json
import os
import re
import signal
import subprocess
import sys
from contextlib import contextmanager, suppress
from select import select

import pytest
from disks import small_disk

from hpc.errors import InputError
from hpc.locks import locked

HOLD = """
import sys, time
from pathlib import Path
from hpc.locks import locked
path, work, share = sys.argv[1:]
with locked(Path(path), busy="taken", risk="", work=work, share=share):
    print("held", flush=True)
    sys.stdin.read()
"""


def lock(path, **options):
    return locked(path, **{"busy": "it is taken.", "risk": "Take care."} | options)


@contextmanager
def holder(path, work="", share=""):
    """Another process that holds the lock until its stdin is closed, or it is killed."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path), work, share],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def test_two_cannot_hold_it_and_nothing_is_left(tmp_path):
    path = tmp_path / "run" / "lock"
    with lock(path), pytest.raises(InputError, match="it is taken"), lock(path):
        pass
    with lock(path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_disk_without_room_for_the_owner_keeps_nothing_of_it(tmp_path):
    with small_disk(tmp_path / "disk", "8k") as disk:
        with suppress(OSError), (disk / "filler").open("wb") as filler:
            while True:
                filler.write(bytes(512))
                filler.flush()
        with pytest.raises(OSError, match="No space left"), lock(disk / "lock"):
            pass
        assert [path.name for path in disk.iterdir()] == ["filler"]


def test_a_folder_with_other_things_stays(tmp_path):
    with lock(tmp_path / "run" / "lock"):
        (tmp_path / "run" / "work").touch()
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["work"]


def test_who_holds_it_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "4711")
    monkeypatch.setattr("hpc.locks.socket.gethostname", lambda: "n1")
    with holder(tmp_path / "lock") as process:
        written = json.loads(next(tmp_path.glob("lock.*")).read_text())
        assert (written["pid"], written["job"]) == (process.pid, "4711")
        told = rf"it is taken. It is process {process.pid} on .+, job 4711, since \d{{4}}-\d\d-\d\d"
        with pytest.raises(InputError, match=told), lock(tmp_path / "lock"):
            pass


@pytest.mark.parametrize(("work", "share"), [("", ""), ("a", "1/2")])
def test_it_ends_with_its_process(tmp_path, work, share):
    path = tmp_path / "lock"
    with holder(path, work, share) as process:
        with pytest.raises(InputError), lock(path):
            pass
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        # What the dead process has left neither keeps anybody out nor stays.
        assert len(list(tmp_path.iterdir())) == 1
        with lock(path):
            assert len(list(tmp_path.iterdir())) == 1
    assert list(tmp_path.iterdir()) == []


def test_parts_of_the_same_work_share_it(tmp_path):
    path = tmp_path / "lock"
    with holder(path, "seed 0", "1/3"):
        with lock(path, work="seed 0", share="2/3"):
            pass
        for other in (
            {},
            {"work": "seed 1", "share": "2/3"},
            {"work": "seed 0", "share": "1/3"},
        ):
            with pytest.raises(InputError, match="part 1/3, since"), lock(path, **other):
                pass
        with holder(path, "seed 0", "2/3"), pytest.raises(InputError), lock(path):
            pass


def test_one_alone_is_not_joined_by_a_part(tmp_path):
    path = tmp_path / "lock"
    with holder(path), pytest.raises(InputError), lock(path, work="seed 0", share="1/3"):
        pass


def test_who_waits_gets_it(tmp_path):
    """The second process reports only after the first has let go."""
    path, waiting = tmp_path / "lock", HOLD.replace('risk=""', 'risk="", wait=True')
    with holder(path) as first:
        second = subprocess.Popen(
            [sys.executable, "-c", waiting, str(path), "", ""],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            assert not select([second.stdout], [], [], 1)[0]
            first.communicate("")
            assert second.stdout.readline() == "held\n"
        finally:
            second.kill()
            second.communicate()


def test_of_many_at_once_one_gets_it(tmp_path):
    count = """
import sys
from pathlib import Path
from hpc.locks import locked
place = Path(sys.argv[1])
for _ in range(25):
    with locked(place / "lock", busy="taken", risk="", wait=True):
        text = (place / "count").read_text()
        (place / "count").write_text(str(int(text) + 1))
"""
    (tmp_path / "count").write_text("0")
    processes = [subprocess.Popen([sys.executable, "-c", count, str(tmp_path)]) for _ in range(4)]
    assert [process.wait() for process in processes] == [0] * 4
    assert (tmp_path / "count").read_text() == "100"
    assert [path.name for path in tmp_path.iterdir()] == ["count"]


def test_what_makes_no_sense_any_more_is_not_locked(tmp_path):
    def refuse():
        raise InputError("done meanwhile")

    with pytest.raises(InputError, match="done meanwhile"), lock(tmp_path / "lock", before=refuse):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_owner_file_that_is_held_keeps_others_out(tmp_path):
    with holder(tmp_path / "lock"):
        next(tmp_path.glob("lock.*")).write_bytes(b"\xff[[[")
        with pytest.raises(InputError, match="an unknown host"), lock(tmp_path / "lock"):
            pass


def test_over_nfs_an_owner_on_another_host_keeps_others_out(tmp_path, monkeypatch):
    """There, who cannot write a file cannot lock it alone, and is told EBADF."""
    flock = fcntl.flock

    def over_nfs(file, operation):
        if fcntl.fcntl(file, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            raise OSError(errno.EBADF, "Bad file descriptor")
        return flock(file, operation)

    monkeypatch.setattr("fcntl.flock", over_nfs)
    path = tmp_path / "lock"
    with holder(path) as process:
        monkeypatch.setattr("hpc.locks.socket.gethostname", lambda: "another-host")
        with pytest.raises(InputError, match=f"process {process.pid} on "), lock(path):
            pass
        # Another user's file, that only its owner may write.
        monkeypatch.setattr("hpc.locks._opened", lambda other: other.open("rb"))
        with pytest.raises(InputError, match=f"process {process.pid} on "), lock(path):
            pass
        monkeypatch.undo()
    with lock(path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_file_system_without_locks_is_a_warning(tmp_path, monkeypatch, caplog):
    def no_locks(*_):
        raise OSError(37, "No locks available")

    monkeypatch.setattr("fcntl.flock", no_locks)
    with lock(tmp_path / "lock"):
        assert "cannot be locked (No locks available). Take care." in caplog.text
        # This very process is alive, and that can be seen without locks.
        with pytest.raises(InputError, match=f"process {os.getpid()} on"), lock(tmp_path / "lock"):
            pass
    (tmp_path / "lock.1-dead").write_text(
        re.sub(r"\s+", "", '{"host": "elsewhere", "pid": 1, "job": null, "since": "once"}')
    )
    with lock(tmp_path / "lock"):
        pass
    assert list(tmp_path.iterdir()) == []
