"""What a killed writer leaves goes with the next run; what a living one is writing stays."""

import fcntl
import os
import signal
import subprocess
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpc import temporary_names
from hpc.files import atomic_file, atomic_folder, write_bytes
from hpc.temporary_names import remove_leftovers

WRITE = """
import sys, time
from pathlib import Path
from hpc.files import atomic_file, atomic_folder
kind = {"file": atomic_file, "folder": atomic_folder}[sys.argv[1]]
with kind(Path(sys.argv[2])):
    print("writing", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(params=["file", "folder"])
def writer(request, tmp_path):
    """A process that writes `out` until its stdin is closed."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITE, request.param, str(tmp_path / "out")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout.readline() == "writing\n"
    yield process
    process.kill()
    process.communicate()


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_what_is_being_written_stays_and_what_the_dead_left_goes(tmp_path, writer):
    (temporary,) = names(tmp_path)
    remove_leftovers(tmp_path)
    assert names(tmp_path) == [temporary]
    os.kill(writer.pid, signal.SIGKILL)
    writer.wait()
    assert names(tmp_path) == [temporary]
    remove_leftovers(tmp_path, "another")
    assert names(tmp_path) == [temporary]
    remove_leftovers(tmp_path, "out")
    assert names(tmp_path) == []


def test_who_is_tidied_around_finishes(tmp_path, writer):
    remove_leftovers(tmp_path)
    writer.communicate("")
    assert (writer.returncode, names(tmp_path)) == (0, ["out"])


def test_older_versions_left_them_without_a_host(tmp_path):
    below = tmp_path / "below"
    below.mkdir()
    for place in (tmp_path, below):
        (place / ".tile-00.png.abcd1234.tmp").touch()
    remove_leftovers(tmp_path)
    assert (names(tmp_path), names(below)) == (["below"], [".tile-00.png.abcd1234.tmp"])
    remove_leftovers(tmp_path, below=True)
    assert names(below) == []


def test_files_of_others_are_none(tmp_path):
    kept = ["a.abcd1234.tmp", ".a.tmp", ".a.short.tmp", ".a.abcd1234", "out", ".a.ABCD1234.tmp"]
    for name in kept:
        (tmp_path / name).touch()
    remove_leftovers(tmp_path)
    assert names(tmp_path) == sorted(kept)


def test_those_of_another_host_must_be_old(tmp_path):
    path = tmp_path / ".a.0123ab-abcd1234.tmp"
    path.touch()
    remove_leftovers(tmp_path)
    assert path.exists(), "its locks may not be seen from here"
    before = time.time() - 2 * temporary_names._ABANDONED_SECONDS
    os.utime(path, (before, before))
    remove_leftovers(tmp_path)
    assert not path.exists()


def test_without_locks_age_alone_tells(tmp_path, monkeypatch):
    def no_locks(*_):
        raise OSError(37, "No locks available")

    monkeypatch.setattr("fcntl.flock", no_locks)
    with atomic_file(tmp_path / "out") as file:
        remove_leftovers(tmp_path)
        file.write(b"whole")
    assert (tmp_path / "out").read_bytes() == b"whole"


def test_the_only_copy_of_a_folder_stays(tmp_path):
    """A kill between the two renames that replace a folder."""
    (tmp_path / ".model.abcd1234.old").mkdir()
    remove_leftovers(tmp_path)
    assert names(tmp_path) == [".model.abcd1234.old"]
    (tmp_path / "model").mkdir()
    remove_leftovers(tmp_path)
    assert names(tmp_path) == ["model"]


def test_a_file_that_is_swept_away_in_its_first_moment_is_made_anew(tmp_path, monkeypatch):
    """Between its making and its lock somebody else took it for a leftover."""
    taken = []
    flock = fcntl.flock

    def sweeping(descriptor, operation):
        if not taken:
            taken.extend(path for path in tmp_path.iterdir() if path.name not in ("a", "b"))
            taken[0].unlink() if taken[0].is_file() else taken[0].rmdir()
        flock(descriptor, operation)

    for write in (lambda: write_bytes(tmp_path / "a", b"1"), lambda: folder(tmp_path / "b")):
        taken.clear()
        monkeypatch.setattr("fcntl.flock", sweeping)
        write()
        monkeypatch.undo()
        for path in tmp_path.iterdir():
            taken.append(path)
    assert names(tmp_path) == ["a", "b"]


def folder(path):
    with atomic_folder(path):
        pass


@given(st.text(min_size=1, max_size=255).filter(lambda name: not set("/\0") & set(name)))
def test_every_name_can_be_written_and_tidied(name):
    path = temporary_names.Path("/nowhere") / name
    made = f"{temporary_names._prefix(path)}abcd1234.tmp"
    assert len(os.fsencode(made)) <= 255
    match = temporary_names._FORM.fullmatch(made)
    if "\n" not in name:
        assert match["name"] == temporary_names._short(path.name)
