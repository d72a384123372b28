"""Packing that is killed, starved of disk, disturbed, or given files that cannot be read."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from killing import CONFIG, files_of
from PIL import Image
from processes import living
from tissue import SCHEMA, blobs, write_folders

from histosyn.packing.journal import locked_work_folder
from histosyn.packing.pack import PackConfig, pack
from hpc.errors import DamagedFileError, DatasetError, HistosynError, InputError

TESTS = Path(__file__).parents[2]


def stop_after(pairs: int):
    """A `track` that is interrupted when so many pairs have been packed."""

    def track(cut_pairs, total):
        for number, cut in enumerate(cut_pairs):
            if number == pairs:
                raise KeyboardInterrupt
            yield cut

    return track


def interrupted(root: Path, config: PackConfig = CONFIG, pairs: int = 5, count: int = 9) -> Path:
    """A pack into `root / "out"` that was interrupted; returns its work folder."""
    write_folders(root, count=count, size=40)
    with pytest.raises(KeyboardInterrupt):
        pack_into(root / "out", config, track=stop_after(pairs))
    work = root / ".out.packing"
    assert not (root / "out").exists()
    assert {path.name for path in work.iterdir()} == {
        "plan.json", "pairs", "journal", "data",
    }  # fmt: skip
    return work


def pack_into(out: Path, config: PackConfig = CONFIG, **options: object) -> dict[str, bytes]:
    pack(out.parent / "tiles", out.parent / "labels", out, SCHEMA, config, 1, **options)
    return files_of(out)


def identity(path: Path) -> tuple[int, int]:
    """The same file, not one that was written again."""
    status = path.stat()
    return status.st_ino, status.st_mtime_ns


def shards_in(work: Path) -> dict[str, tuple[int, int]]:
    shards = sorted((work / "data").glob("*/*.tar"))
    return {f"{path.parent.name}/{path.name}": identity(path) for path in shards}


@pytest.mark.parametrize("pairs", [2, 3, 5, 8])
def test_finished_shards_are_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, pairs: int
) -> None:
    finished = shards_in(interrupted(tmp_path, pairs=pairs))
    assert finished
    with caplog.at_level(logging.INFO, "histosyn"):
        again = pack_into(tmp_path / "out")
    assert f"Go on after {len(finished)} finished shards" in caplog.text
    assert again == pack_into(tmp_path / "undisturbed")
    kept = {name: identity(tmp_path / "out" / name) for name in finished}
    assert kept == finished
    assert not (tmp_path / ".out.packing").exists()


def test_progress_is_of_what_is_left(tmp_path: Path) -> None:
    interrupted(tmp_path)
    totals = []
    pack_into(tmp_path / "out", track=lambda pairs, total: totals.append(total) or pairs)
    assert 0 < totals[0] < 9


@pytest.mark.parametrize(
    "config",
    [
        PackConfig(tile_size=16, overlap=4, samples_per_shard=4, val=0.3, min_tissue=0.1),
        PackConfig(tile_size=16, overlap=4, samples_per_shard=5, val=0.3, tile_format="jpg"),
    ],
)
def test_other_settings_begin_anew(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, config: PackConfig
) -> None:
    interrupted(tmp_path)
    with caplog.at_level(logging.INFO, "histosyn"):
        again = pack_into(tmp_path / "out", config)
    assert "was for other files or settings: begin anew" in caplog.text
    assert again == pack_into(tmp_path / "undisturbed", config)


@pytest.mark.parametrize("number", range(9))
def test_shards_before_a_changed_pair_are_kept(tmp_path: Path, number: int) -> None:
    config = PackConfig(tile_size=16, samples_per_shard=6)
    finished = shards_in(interrupted(tmp_path, config, pairs=7))
    assert len(finished) == 4  # seven pairs of 2 x 2 crops
    Image.fromarray(blobs(99, 40)[0]).save(tmp_path / f"tiles/tile-{number:02d}.png")
    again = pack_into(tmp_path / "out", config)
    assert again == pack_into(tmp_path / "undisturbed", config)
    kept = [identity(tmp_path / "out" / name) == before for name, before in finished.items()]
    assert kept == [shard * 6 + 6 <= number * 4 for shard in range(4)]


def test_files_that_come_and_go_are_noticed(tmp_path: Path) -> None:
    interrupted(tmp_path)
    for folder in ("tiles", "labels"):
        (tmp_path / folder / "tile-01.png").unlink()
        (tmp_path / folder / "tile-00.png").rename(tmp_path / folder / "zzz.png")
    assert pack_into(tmp_path / "out") == pack_into(tmp_path / "undisturbed")


def damage_journal(work: Path) -> None:
    (work / "journal/000001.json").write_bytes(b"\0" * 100)


def lose_a_note(work: Path) -> None:
    (work / "journal/000001.json").unlink()


def lose_a_shard(work: Path) -> None:
    (work / "data/train/shard-000001.tar").unlink()


def cut_a_shard(work: Path) -> None:
    path = work / "data/train/shard-000001.tar"
    path.write_bytes(path.read_bytes()[:-512])


def damage_plan(work: Path) -> None:
    (work / "plan.json").write_bytes(b"")


def leave_litter(work: Path) -> None:
    for name in ("data/train/.shard-000002.tar.x.tmp", "data/train/dataset.json", "data/test/x"):
        (work / name).parent.mkdir(exist_ok=True)
        (work / name).touch()


@pytest.mark.parametrize(
    "damage", [damage_journal, lose_a_note, lose_a_shard, cut_a_shard, damage_plan, leave_litter]
)
def test_a_damaged_work_folder_is_mended(tmp_path: Path, damage) -> None:
    damage(interrupted(tmp_path))
    assert pack_into(tmp_path / "out") == pack_into(tmp_path / "undisturbed")


def test_a_note_that_is_damaged_meanwhile_is_named(tmp_path: Path) -> None:
    """Its shard would be missing from the index."""
    write_folders(tmp_path, count=9, size=40)

    def track(cut_pairs, total):
        yield from cut_pairs
        damage_journal(tmp_path / ".out.packing")

    with pytest.raises(DamagedFileError, match=r"000001\.json is damaged"):
        pack_into(tmp_path / "out", track=track)
    assert pack_into(tmp_path / "out") == pack_into(tmp_path / "undisturbed")


def test_a_bad_pair_is_named_and_mended(tmp_path: Path) -> None:
    """What was finished before it is kept."""
    tiles, _ = write_folders(tmp_path, count=6, size=40)
    good = (tiles / "tile-04.png").read_bytes()
    (tiles / "tile-04.png").write_bytes(good[:300])
    config = PackConfig(tile_size=16, samples_per_shard=6)
    with pytest.raises(DatasetError, match=r"tile-04\.png cannot be read"):
        pack_into(tmp_path / "out", config)
    finished = shards_in(tmp_path / ".out.packing")
    assert len(finished) == 2
    (tiles / "tile-04.png").write_bytes(good)
    assert pack_into(tmp_path / "out", config) == pack_into(tmp_path / "undisturbed", config)
    assert all(identity(tmp_path / "out" / name) == before for name, before in finished.items())


# Pillow leaves a file open that it opened and could not read.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_file_that_the_system_cannot_read_is_named(tmp_path: Path) -> None:
    """It exists, root may open it, and reading fails."""
    tiles, _ = write_folders(tmp_path, count=3, size=40)
    (tiles / "tile-01.png").unlink()
    (tiles / "tile-01.png").symlink_to("/proc/self/mem")
    with pytest.raises(DatasetError, match=r"tile-01\.png cannot be read .*Input/output error"):
        pack_into(tmp_path / "out")


def test_one_process_packs_at_a_time(tmp_path: Path) -> None:
    write_folders(tmp_path, count=2, size=40)
    with (
        locked_work_folder(tmp_path / "out"),
        pytest.raises(InputError, match="Another process is packing into .*out. Wait for it"),
    ):
        pack_into(tmp_path / "out")
    assert pack_into(tmp_path / "out")


def test_a_folder_that_appears_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    write_folders(tmp_path, count=2, size=40)

    def track(cut_pairs, total):
        yield from cut_pairs
        (tmp_path / "out").mkdir()

    with pytest.raises(InputError, match="out exists already"):
        pack_into(tmp_path / "out", track=track)
    assert not any((tmp_path / "out").iterdir())
    (tmp_path / "out").rmdir()
    assert pack_into(tmp_path / "out") == pack_into(tmp_path / "undisturbed")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)]
    tried = subprocess.run(mount, capture_output=True, text=True)
    if tried.returncode:
        pytest.skip(f"no small disk can be mounted: {tried.stderr.strip()}")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_is_one_sentence_and_packing_goes_on(tmp_path: Path, small_disk: Path) -> None:
    tiles, labels = write_folders(tmp_path, count=40, size=64)
    config = PackConfig(samples_per_shard=5)
    with pytest.raises(HistosynError, match=r"\.out\.packing cannot be written \(No space left"):
        pack(tiles, labels, small_disk / "out", SCHEMA, config, 1)
    assert {path.name for path in small_disk.iterdir()} == {".out.packing"}
    finished = shards_in(small_disk / ".out.packing")
    assert finished
    remount = ["mount", "-o", "remount,size=64m", str(small_disk)]
    subprocess.run(remount, check=True)
    pack(tiles, labels, small_disk / "out", SCHEMA, config, 1)
    assert {path.name for path in small_disk.iterdir()} == {"out"}
    assert files_of(small_disk / "out") == pack_into(tmp_path / "undisturbed", config)
    kept = {name: identity(small_disk / "out" / name) for name in finished}
    assert kept == finished


@pytest.mark.slow
def test_killed_before_any_step_it_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
    write_folders(tmp_path, count=5, size=40)
    command = [sys.executable, str(TESTS / "killing.py"), str(tmp_path)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(TESTS), str(TESTS.parent)])}
    run = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-2000:]
    assert int(run.stdout) > 40


def started(root: Path, out: str, processes: int = 2) -> subprocess.Popen:
    """The command, as a user starts it."""
    arguments = ["pack", str(root / "tiles"), str(root / "labels"), str(root / out), "--tile-size",
                 "32", "--overlap", "16", "--samples-per-shard", "9", "--processes",
                 str(processes)]  # fmt: skip
    code = f"from launch.cli import main; main({arguments!r})"
    environment = os.environ | {"PYTHONPATH": str(TESTS.parent)}
    return subprocess.Popen(
        [sys.executable, "-c", code], env=environment, text=True, stderr=subprocess.PIPE,
        stdout=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip


def wait_until(condition, seconds: float = 60) -> None:
    """An upper limit for a machine that hangs; nothing is concluded from the time it takes."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.002)


@pytest.mark.slow
@pytest.mark.parametrize("notes", [1, 4, 11])
def test_kill_9_leaves_no_process_and_loses_no_shard(tmp_path: Path, notes: int) -> None:
    write_folders(tmp_path, count=16, size=96)
    journal = tmp_path / ".out.packing/journal"
    killed = started(tmp_path, "out")
    wait_until(lambda: len(list(journal.glob("*.json"))) >= notes or killed.poll() is not None)
    children = set(living(parent=killed.pid))
    killed.kill()
    killed.communicate()
    assert children
    assert not (tmp_path / "out").exists()
    wait_until(lambda: not children & set(living(group=killed.pid)))
    finished = shards_in(tmp_path / ".out.packing")
    for out in ("out", "undisturbed"):
        run = started(tmp_path, out)
        _, errors = run.communicate()
        assert run.returncode == 0, errors
    assert files_of(tmp_path / "out") == files_of(tmp_path / "undisturbed")
    kept = [identity(tmp_path / "out" / name) == before for name, before in finished.items()]
    assert kept.count(False) <= 1  # a shard whose note was not yet written
    assert len(kept) >= notes


@pytest.mark.slow
def test_a_second_command_into_the_same_folder_stops(tmp_path: Path) -> None:
    write_folders(tmp_path, count=16, size=96)
    journal = tmp_path / ".out.packing/journal"
    first = started(tmp_path, "out", processes=1)
    wait_until(journal.exists)
    first.send_signal(19)  # SIGSTOP: it is still at it when the second comes
    second = started(tmp_path, "out")
    _, errors = second.communicate()
    first.send_signal(18)
    assert second.returncode == 2
    assert "Another process is packing into" in errors
    assert "Traceback" not in errors
    first.communicate()
    assert first.returncode == 0
    assert not (tmp_path / ".out.packing").exists()
