"""Atomic files and folders: whole or not there, also after an error, a kill or a full disk."""

import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from hpc.errors import InputError
from hpc.files import (
    atomic_file,
    atomic_folder,
    open_regular_file,
    require_file,
    require_folder,
    sha256_of_bytes,
    sha256_of_file,
    write_bytes,
    write_json,
    write_text,
)

WRITE_FILE = """
import sys, time
from pathlib import Path
from hpc.files import atomic_file
with atomic_file(Path(sys.argv[1])) as file:
    file.write(b"half of what was to be written")
    file.flush()
    print("writing", flush=True)
    time.sleep(600)
"""
WRITE_FOLDER = """
import sys, time
from pathlib import Path
from hpc.files import atomic_folder
with atomic_folder(Path(sys.argv[1]), replace=True) as folder:
    (folder / "a").write_text("half")
    print("writing", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def umask():
    """Sets the umask of this process for the test."""
    before = os.umask(0o022)
    yield os.umask
    os.umask(before)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def visible(folder):
    return [name for name in names(folder) if not name.startswith(".")]


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def kill_while_writing(program, path):
    """Run a program that says when it is in the middle of writing, and kill it there."""
    process = subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE)
    with process:
        assert process.stdout.readline() == b"writing\n"
        process.kill()
    assert process.returncode == -signal.SIGKILL


def test_content_is_what_was_written(tmp_path):
    write_bytes(tmp_path / "new" / "folder" / "bytes", b"\0\xff")
    write_text(tmp_path / "text", "γ\n")
    write_json(tmp_path / "json", {"a": [1, None]})

    assert (tmp_path / "new" / "folder" / "bytes").read_bytes() == b"\0\xff"
    assert (tmp_path / "text").read_bytes() == "γ\n".encode()
    assert json.loads((tmp_path / "json").read_text()) == {"a": [1, None]}
    assert names(tmp_path) == ["json", "new", "text"]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_json_has_no_nan_and_the_old_file_stays(tmp_path, value):
    write_json(tmp_path / "json", 1)

    with pytest.raises(ValueError):
        write_json(tmp_path / "json", [value])

    assert (tmp_path / "json").read_text() == "1\n"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_while_writing_leaves_the_old_file_and_nothing_else(tmp_path, error):
    path = tmp_path / "file"
    path.write_text("old")

    with pytest.raises(error), atomic_file(path) as file:
        file.write(b"new")
        raise error

    assert path.read_text() == "old"
    assert names(tmp_path) == ["file"]


def test_a_full_disk_names_the_file(full_disk):
    disk = full_disk()

    with pytest.raises(OSError, match="No space left") as error:
        write_bytes(disk / "grid.png", bytes(4096))

    assert error.value.filename == str(disk / "grid.png")
    assert names(disk) == ["filler"]


def test_readers_see_the_old_file_until_the_new_one_is_whole(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")

    with atomic_file(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_text() == "old"
        assert visible(tmp_path) == ["file"]

    assert path.read_text() == "new"


def test_a_kill_while_writing_leaves_no_half_file(tmp_path):
    kill_while_writing(WRITE_FILE, tmp_path / "file")
    assert visible(tmp_path) == []

    write_text(tmp_path / "file", "whole")
    kill_while_writing(WRITE_FILE, tmp_path / "file")
    assert (tmp_path / "file").read_text() == "whole"


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_permissions_follow_the_umask(tmp_path, umask, mask):
    umask(mask)

    write_text(tmp_path / "file", "")
    with atomic_folder(tmp_path / "folder") as folder:
        (folder / "inside").touch()

    assert mode(tmp_path / "file") == 0o666 & ~mask
    assert mode(tmp_path / "folder") == 0o777 & ~mask
    assert mode(tmp_path / "folder" / "inside") == 0o666 & ~mask


def test_a_folder_appears_whole(tmp_path):
    with atomic_folder(tmp_path / "new" / "folder") as folder:
        (folder / "sub").mkdir()
        (folder / "sub" / "file").write_text("content")
        assert visible(tmp_path / "new") == []

    assert (tmp_path / "new" / "folder" / "sub" / "file").read_text() == "content"
    assert names(tmp_path / "new") == ["folder"]


def test_an_error_leaves_no_folder(tmp_path):
    with pytest.raises(ValueError), atomic_folder(tmp_path / "folder") as folder:
        (folder / "file").touch()
        raise ValueError

    assert names(tmp_path) == []


def test_an_existing_folder_is_not_touched_unless_asked(tmp_path):
    (tmp_path / "folder").mkdir()

    with (
        pytest.raises(InputError, match="folder exists already"),
        atomic_folder(tmp_path / "folder"),
    ):
        pytest.fail("the block must not run")

    assert names(tmp_path) == ["folder"]


def test_a_folder_is_replaced_as_a_whole(tmp_path):
    path = tmp_path / "folder"
    path.mkdir()
    (path / "old").touch()

    with atomic_folder(path, replace=True) as folder:
        (folder / "new").touch()
        assert names(path) == ["old"]

    assert names(path) == ["new"]
    assert names(tmp_path) == ["folder"]


def test_an_error_while_replacing_keeps_the_old_folder(tmp_path):
    path = tmp_path / "folder"
    path.mkdir()
    (path / "old").touch()

    with pytest.raises(ValueError), atomic_folder(path, replace=True) as folder:
        (folder / "new").touch()
        raise ValueError

    assert names(path) == ["old"]
    assert names(tmp_path) == ["folder"]


def test_a_kill_while_replacing_keeps_the_old_folder(tmp_path):
    path = tmp_path / "folder"
    path.mkdir()
    (path / "old").touch()

    kill_while_writing(WRITE_FOLDER, path)

    assert names(path) == ["old"]
    assert visible(tmp_path) == ["folder"]


def test_digests_are_those_of_sha256(tmp_path):
    # FIPS 180-2, appendix B.1; the second one is longer than a block of reading.
    data = b"x" * ((1 << 20) + 1)
    write_bytes(tmp_path / "long", data)

    assert sha256_of_bytes(b"abc") == (
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )
    assert sha256_of_file(tmp_path / "long") == sha256_of_bytes(data)


def test_only_files_are_opened(tmp_path):
    """A pipe without a writer would be waited for, a device read for ever."""
    (tmp_path / "file").write_bytes(b"abc")
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "endless").symlink_to("/dev/zero")
    os.mkfifo(tmp_path / "pipe")

    for name in ("file", "link"):
        with open_regular_file(tmp_path / name) as file:
            assert file.read() == b"abc"
    for name in ("endless", "pipe"):
        for read in (open_regular_file, sha256_of_file):
            with pytest.raises(OSError, match="It is a device, pipe or socket, not a file"):
                read(tmp_path / name)
        with pytest.raises(InputError, match="is a device, pipe or socket, not a file"):
            require_file(tmp_path / name, "table")
    with pytest.raises(IsADirectoryError):
        open_regular_file(tmp_path)
    with pytest.raises(FileNotFoundError):
        open_regular_file(tmp_path / "nowhere")


def test_what_must_be_there(tmp_path):
    file = tmp_path / "file"
    file.touch()

    assert require_file(file, "schema") == file
    assert require_folder(tmp_path, "tiles") == tmp_path
    with pytest.raises(InputError, match="^tiles: .*file is a file, not a folder"):
        require_folder(file, "tiles")
    with pytest.raises(InputError, match="^schema: .* is a folder, not a file"):
        require_file(tmp_path, "schema")
    for require in (require_file, require_folder):
        with pytest.raises(InputError, match="^it: .*nowhere does not exist"):
            require(Path(tmp_path / "nowhere"), "it")
