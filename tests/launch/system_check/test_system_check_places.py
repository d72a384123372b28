"""`histosyn doctor --system`: disks, the shared folder, SLURM and the place among processes."""

import json
import re
import subprocess
import sys
import tempfile
from dataclasses import asdict

import pytest
from slurm_cluster import missing_programs, running_slurm

from launch.system_check import scheduler, storage
from launch.system_check.outcome import Check

IN_A_SMALL_WORLD = """
import json, sys
from dataclasses import asdict
from functools import partial
from pathlib import Path
from launch.system_check import storage
from launch.system_check.outcome import Check
found = {"shared_memory": asdict(storage.shared_memory())}
for name in ("free_space", "shared_files", "shared_locks"):
    look = partial(getattr(storage, name), Path(sys.argv[1]))
    found[name] = asdict(Check(name=name, look=look, remedy="").run())
print(json.dumps(found))
"""


def small_world(folder, preparation):
    """What the checks find in a file system of 1 MiB, after some shell commands in it."""
    mounts = "mount -t tmpfs -o size=1m tmpfs /dev/shm && mount -t tmpfs -o size=1m tmpfs"
    script = f'{mounts} "$1" && (cd "$1" && {preparation}) && exec "$2" -P -c "$3" "$1"'
    namespace = ["unshare", "--map-root-user", "--mount"]
    try:
        subprocess.run([*namespace, "true"], capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("file systems cannot be mounted here")
    run = subprocess.run(
        [*namespace, "sh", "-c", script, "sh", str(folder), sys.executable, IN_A_SMALL_WORLD],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def run_of(look, *arguments):
    return Check(name="it", look=lambda: look(*arguments), remedy="Look.").run()


def test_little_space_is_a_warning(tmp_path):
    found = small_world(tmp_path, "true")
    assert found["free_space"]["status"] == found["shared_memory"]["status"] == "warning"
    assert f"0.0 of 0.0 GiB free in {tmp_path}" in found["free_space"]["detail"]
    assert "--shm-size" in found["shared_memory"]["remedy"]
    assert found["shared_files"]["status"] == found["shared_locks"]["status"] == "ok"


def test_a_full_disk(tmp_path):
    found = small_world(tmp_path, "head -c 2000000 /dev/zero >all 2>&- || true")
    assert found["shared_files"]["status"] == "error"
    assert "No space left on device" in found["shared_files"]["detail"]


def test_a_read_only_disk(tmp_path):
    found = small_world(tmp_path, "mount -o remount,ro .")
    assert found["shared_files"]["status"] == found["shared_locks"]["status"] == "error"
    assert "Read-only file system" in found["shared_files"]["detail"]
    assert "where you may write" in found["shared_files"]["remedy"]


@pytest.mark.parametrize("look", [storage.free_space, storage.shared_files, storage.shared_locks])
def test_a_shared_folder_that_is_none(tmp_path, look):
    assert look(None).status == "absent"
    outcome = run_of(look, tmp_path / "none")
    assert outcome.status == "error"
    assert f"{tmp_path / 'none'} does not exist" in outcome.detail
    (tmp_path / "file").touch()
    assert "is a file, not a folder" in run_of(look, tmp_path / "file").detail


def test_a_shared_folder_is_left_as_it_was(tmp_path):
    assert storage.shared_files(tmp_path).status == "ok"
    assert storage.shared_locks(tmp_path).status == "ok"
    assert list(tmp_path.iterdir()) == []


def test_files_that_do_not_keep_what_is_written(monkeypatch, tmp_path):
    monkeypatch.setattr(storage, "write_bytes", lambda path, data: path.write_bytes(b"old"))
    assert storage.shared_files(tmp_path).status == "error"


@pytest.mark.parametrize(
    ("program", "told"),
    [("pass", "two processes held one lock"), ("import time; time.sleep(9)", "hangs")],
)
def test_locks_that_do_not_lock(monkeypatch, tmp_path, program, told):
    monkeypatch.setattr(storage, "_TRY_LOCK", program)
    monkeypatch.setattr(storage, "_LOCK_SECONDS", 3)
    outcome = storage.shared_locks(tmp_path)
    assert outcome.status == "warning"
    assert told in outcome.detail


def test_a_lock_that_never_answers(monkeypatch, tmp_path):
    monkeypatch.setattr(storage, "_HOLD_LOCK_AND_TRY", "import time; time.sleep(60)")
    monkeypatch.setattr(storage, "_LOCK_SECONDS", 0.5)
    assert "no answer within 0.5 s" in storage.shared_locks(tmp_path).detail
    assert list(tmp_path.iterdir()) == []


def test_a_folder_for_temporary_files_that_does_not_exist(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    assert str(tmp_path) in storage.temporary_space().detail
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "none"))
    outcome = storage.temporary_space()
    assert outcome.status == "warning"
    assert f"TMPDIR is {tmp_path / 'none'}" in outcome.detail


def test_a_system_without_shared_memory(monkeypatch, tmp_path):
    monkeypatch.setattr(storage, "_SHARED_MEMORY", tmp_path / "none")
    assert storage.shared_memory().status == "absent"


@pytest.fixture
def sinfo(monkeypatch, tmp_path):
    """Write a program `sinfo`, the only one on the PATH."""
    monkeypatch.setenv("PATH", str(tmp_path))

    def write(script):
        (tmp_path / "sinfo").write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "sinfo").chmod(0o755)

    return write


ANSWER = 'if [ "$1" = --version ]; then echo slurm 22.05.8; exit; fi\n'


def test_slurm_that_answers(sinfo):
    assert scheduler.slurm().status == "absent"
    sinfo(ANSWER + "echo 'main*   up 4 idle'; echo 'gpu up 2 mix'")
    assert scheduler.slurm().detail == "slurm 22.05.8\nmain* up 4 idle\ngpu up 2 mix"
    sinfo(ANSWER + "for i in 1 2 3 4 5 6 7 8 9 10; do echo p$i up 1 idle; done")
    assert scheduler.slurm().detail.endswith("p8 up 1 idle\nand 2 more")
    sinfo(ANSWER)
    assert scheduler.slurm().status == "warning"


def test_slurm_that_does_not_answer(sinfo, monkeypatch):
    sinfo(ANSWER + "echo 'slurm_load_partitions: Unable to contact slurm controller' >&2; exit 1")
    outcome = scheduler.slurm()
    assert outcome.status == "error"
    assert "Unable to contact slurm controller" in outcome.detail
    sinfo("echo 'fatal: Could not establish a configuration source' >&2; exit 1")
    outcome = scheduler.slurm()
    assert outcome.status == "warning"
    assert "not set up: fatal: Could not establish" in outcome.detail
    monkeypatch.setattr(scheduler, "_LIMIT_SECONDS", 1)
    sinfo(ANSWER + "exec /bin/sleep 60")
    outcome = run_of(scheduler.slurm)
    assert outcome.status == "error"
    assert "did not answer within 1 s" in outcome.detail
    assert "tell the site" in outcome.remedy


@pytest.mark.slow
@pytest.mark.skipif(
    bool(missing_programs()),
    reason=f"SLURM is not installed here: no {', '.join(missing_programs())}",
)
def test_a_real_slurm(monkeypatch):
    with running_slurm(nodes=2) as cluster:
        for name in ("PATH", "SLURM_CONF"):
            monkeypatch.setenv(name, cluster.environment[name])
        outcome = scheduler.slurm()
        assert outcome.status == "ok"
        assert "main* up 2 idle" in outcome.detail
        text = (cluster.folder / "slurm.conf").read_text()
        nobody = re.sub(r"SlurmctldPort=\d+", "SlurmctldPort=9", text)
        (cluster.folder / "other.conf").write_text(nobody)
        monkeypatch.setenv("SLURM_CONF", str(cluster.folder / "other.conf"))
        outcome = run_of(scheduler.slurm)
        assert outcome.status == "error"
        assert "the controller does not answer" in outcome.detail


def test_the_job_is_shown(monkeypatch):
    assert scheduler.slurm_job().status == "absent"
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    monkeypatch.setenv("SLURM_NNODES", "2")
    assert scheduler.slurm_job().detail == "SLURM_JOB_ID=17 SLURM_NNODES=2"


def test_the_place_among_processes(monkeypatch):
    assert scheduler.place().detail == "a single process"
    monkeypatch.setenv("RANK", "1")
    outcome = run_of(scheduler.place)
    assert outcome.status == "error"
    assert "WORLD_SIZE, LOCAL_RANK, LOCAL_WORLD_SIZE not set" in outcome.detail
    assert outcome.remedy.startswith("Start with torchrun")
    for name, value in (("WORLD_SIZE", "4"), ("LOCAL_RANK", "1"), ("LOCAL_WORLD_SIZE", "2")):
        monkeypatch.setenv(name, value)
    assert scheduler.place().detail == "rank 1 of 4, local rank 1 of 2"
    assert asdict(scheduler.place())["status"] == "ok"
