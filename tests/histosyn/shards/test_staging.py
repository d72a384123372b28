"""Copies on the node's own disk, made by real processes at the same time."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from damage import flip
from tissue import pack_blobs

from histosyn.shards import staging
from histosyn.shards.dataset import open_shards
from histosyn.shards.reader import ShardReader
from histosyn.shards.staging import stage, staging_folder
from hpc.errors import DamagedFileError, HistosynError
from hpc.files import sha256_of_file

SHARDS = 6


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    return pack_blobs(tmp_path, count=2 * SHARDS, size=32, samples_per_shard=2)


def stage_all(shards: Path, to: Path) -> list[str]:
    index = open_shards(shards).index
    return [shard.name for shard in stage(index, shards, to, range(len(index.shards)))]


def test_copies_are_whole_and_read_first(shards: Path, tmp_path: Path) -> None:
    index = open_shards(shards).index
    to = tmp_path / "local"
    assert [shard.name for shard in stage(index, shards, to, {1, 4})] == [
        "shard-000001.tar", "shard-000004.tar",
    ]  # fmt: skip
    folder = staging_folder(index, to)
    assert (folder / "shard-000001.tar").read_bytes() == (shards / "shard-000001.tar").read_bytes()
    (shards / "shard-000001.tar").unlink()
    reader = ShardReader(index, folder, shards)
    reader.read(1, 0)  # the copy
    reader.read(2, 0)  # the original


def test_what_is_there_is_not_copied_again(shards: Path, tmp_path: Path) -> None:
    to = tmp_path / "local"
    stage_all(shards, to)
    before = {path: path.stat().st_mtime_ns for path in to.glob("*/*.tar")}
    for path in shards.glob("*.tar"):
        path.unlink()
    assert len(stage_all(shards, to)) == SHARDS
    assert {path: path.stat().st_mtime_ns for path in to.glob("*/*.tar")} == before


def forge(copy: Path, size: int) -> None:
    copy.write_bytes(bytes(size))


def test_what_somebody_else_put_there_is_not_believed(shards: Path, tmp_path: Path) -> None:
    """Of the right name and size, in a folder that was ready before we came."""
    index, to = open_shards(shards).index, tmp_path / "local"
    folder = staging_folder(index, to)
    folder.mkdir(parents=True, mode=0o777)
    for shard in index.shards:
        forge(folder / shard.name, shard.size_bytes)
    (folder / index.shards[2].name).unlink()
    (folder / index.shards[2].name).symlink_to(shards / index.shards[2].name)
    list(stage(index, shards, to, {0, 2}))
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    # What is not needed might still be read in place of a bad sample: it is gone.
    assert sorted(path.name for path in folder.glob("*.tar")) == [
        "shard-000000.tar", "shard-000002.tar",
    ]  # fmt: skip
    for number in (0, 2):
        copy = folder / index.shards[number].name
        assert not copy.is_symlink()
        assert sha256_of_file(copy) == index.shards[number].sha256


def test_a_copy_that_was_changed_since_is_made_again(shards: Path, tmp_path: Path) -> None:
    index, to = open_shards(shards).index, tmp_path / "local"
    stage_all(shards, to)
    copy = staging_folder(index, to) / index.shards[1].name
    times = copy.stat()
    flip(copy, 1000)
    os.utime(copy, ns=(times.st_atime_ns, times.st_mtime_ns))
    stage_all(shards, to)
    assert sha256_of_file(copy) == index.shards[1].sha256


def test_a_right_copy_without_a_note_is_read_once(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of a process that was killed just before it could write the note."""
    index, to = open_shards(shards).index, tmp_path / "local"
    stage_all(shards, to)
    folder = staging_folder(index, to)
    (folder / f".{index.shards[3].name}.lock").write_bytes(b"")
    read = []
    monkeypatch.setattr(
        staging, "sha256_of_file", lambda path: read.append(path.name) or sha256_of_file(path)
    )
    for path in shards.glob("*.tar"):
        path.unlink()
    for _ in range(2):
        stage_all(shards, to)
    assert read == [index.shards[3].name]


def test_a_folder_of_somebody_else_or_behind_a_link_is_refused(
    shards: Path, tmp_path: Path
) -> None:
    index, to = open_shards(shards).index, tmp_path / "local"
    folder = staging_folder(index, to)
    (tmp_path / "theirs").mkdir()
    to.mkdir()
    folder.symlink_to(tmp_path / "theirs")
    with pytest.raises(HistosynError, match="is a link or file, not a folder, so others decide"):
        stage_all(shards, to)
    folder.unlink()
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.skip("only root can make a folder that belongs to another user")
    os.chown(folder, 65534, 65534)
    with pytest.raises(HistosynError, match=r"belongs to another user \(uid 65534\)"):
        stage_all(shards, to)
    assert not list(folder.iterdir())


def test_a_lock_file_behind_a_link_is_refused(shards: Path, tmp_path: Path) -> None:
    """It would be written to."""
    index, to = open_shards(shards).index, tmp_path / "local"
    folder = staging_folder(index, to)
    folder.mkdir(parents=True)
    (tmp_path / "precious").write_text("kept")
    (folder / f".{index.shards[0].name}.lock").symlink_to(tmp_path / "precious")
    with pytest.raises(HistosynError, match=r"\.lock cannot be opened"):
        stage_all(shards, to)
    assert (tmp_path / "precious").read_text() == "kept"


def test_a_damaged_original_is_named_and_nothing_takes_its_name(
    shards: Path, tmp_path: Path
) -> None:
    flip(shards / "shard-000002.tar", 1000)
    with pytest.raises(DamagedFileError, match=r"shard-000002\.tar is not the shard .* sha256"):
        stage_all(shards, tmp_path / "local")
    left = [path.name for path in (tmp_path / "local").glob("*/*") if path.suffix != ".lock"]
    assert sorted(left) == ["shard-000000.tar", "shard-000001.tar"]


def test_a_missing_original_an_impossible_folder_and_a_small_disk_are_named(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HistosynError, match="data.stage_to: .*file.* cannot be made"):
        stage_all(shards, tmp_path / "file")
    (shards / "shard-000003.tar").unlink()
    with pytest.raises(HistosynError, match=r"shard-000003\.tar cannot be read \(No such file"):
        stage_all(shards, tmp_path / "local")
    monkeypatch.setattr(staging.shutil, "disk_usage", lambda path: SimpleNamespace(free=100))
    with pytest.raises(HistosynError, match=r"need 0\.0 GB more .* 0\.0 GB are free"):
        stage_all(shards, tmp_path / "other")


STAGE = """
import sys
from pathlib import Path
from histosyn.shards import staging
from histosyn.shards.dataset import open_shards
shards, to, copied = map(Path, sys.argv[1:])
copy = staging._copy
def noted(source, target, shard):
    with copied.open("a") as file:
        file.write(shard.name + "\\n")
    if copied.name == "slow":
        import time; time.sleep(60)
    copy(source, target, shard)
staging._copy = noted
index = open_shards(shards).index
print(len(list(staging.stage(index, shards, to, range(len(index.shards))))))
"""


def start(shards: Path, to: Path, copied: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", STAGE, str(shards), str(to), str(copied)],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_ranks_that_come_together_copy_each_shard_once(shards: Path, tmp_path: Path) -> None:
    ranks = [start(shards, tmp_path / "local", tmp_path / "copied") for _ in range(3)]
    assert [rank.communicate(timeout=120)[0].strip() for rank in ranks] == [str(SHARDS)] * 3
    copied = (tmp_path / "copied").read_text().split()
    assert sorted(copied) == sorted(f"shard-{number:06d}.tar" for number in range(SHARDS))


def test_a_killed_rank_holds_nobody_up(shards: Path, tmp_path: Path) -> None:
    to, slow = tmp_path / "local", tmp_path / "slow"
    killed = start(shards, to, slow)
    while not slow.exists():
        assert killed.poll() is None
        time.sleep(0.05)
    killed.send_signal(signal.SIGKILL)
    killed.communicate(timeout=30)
    assert killed.returncode == -signal.SIGKILL
    assert len(stage_all(shards, to)) == SHARDS


def test_a_part_that_becomes_the_copy_while_it_is_counted_is_not_missing(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = open_shards(shards).index
    shard = index.shards[0]
    folder = staging_folder(index, tmp_path / "local")
    folder.mkdir(parents=True)
    part = folder / f".{shard.name}.abc.tmp"
    part.write_bytes((shards / shard.name).read_bytes())
    remains = staging._remains

    def and_then_it_is_whole(*arguments: object) -> list[Path]:
        found = remains(*arguments)
        part.rename(folder / shard.name)
        return found

    monkeypatch.setattr(staging, "_remains", and_then_it_is_whole)
    assert staging._missing_bytes(folder, shard) == 0
    assert not part.exists()
