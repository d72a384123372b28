"""Runs whose checkpoints are damaged, whose disk is full, whose processes change in number or are
killed: they go on, and end as the undisturbed one."""

import json
import os
import shutil
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from disks import resize, small_disk
from tissue import pack_blobs, tiny_config

from histosyn.config.file import as_toml
from histosyn.training.run import run_training
from hpc import checkpoint
from hpc.errors import FullDiskError
from hpc.log import RecordsFile

ROOT = Path(__file__).parents[3]
STEPS = 6


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    return pack_blobs(tmp_path_factory.mktemp("data"))


def six_steps(shards, folder, **run):
    settings = {"steps": STEPS, "checkpoint_every": 2, "keep_last": 9}
    return tiny_config(shards, folder, **settings | run)


@pytest.fixture(scope="module")
def whole(shards, tmp_path_factory):
    """The undisturbed run."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    run_training(six_steps(shards, folder))
    return folder


def records(folder):
    return RecordsFile(folder / "metrics.jsonl").read()


def losses(folder):
    return [
        {name: value for name, value in record.items() if name.startswith(("step", "loss/"))}
        for record in records(folder)
    ]


def assert_same_end(folder, whole):
    """All weights, averages and optimizers, the model, and every report, none twice."""
    for file in (f"checkpoints/step-{STEPS:08d}/tensors.safetensors", "model/model.safetensors"):
        assert (folder / file).read_bytes() == (whole / file).read_bytes(), file
    assert losses(folder) == losses(whole)


def truncate(path):
    path.write_bytes(path.read_bytes()[:-1])


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x10
    path.write_bytes(content)


@pytest.mark.parametrize("name", ["tensors.safetensors", "state.json", "checkpoint.json"])
@pytest.mark.parametrize("damage", [truncate, flip, Path.unlink])
def test_a_damaged_checkpoint_is_named_and_set_aside(shards, whole, tmp_path, capsys, name, damage):
    folder = tmp_path / "run"
    shutil.copytree(whole, folder)
    shutil.rmtree(folder / "model")
    broken = folder / f"checkpoints/step-{STEPS:08d}"
    damage(broken / name)

    run_training(six_steps(shards, folder))

    told = capsys.readouterr().err
    assert str(broken) in told and name in told
    assert f"set aside as damaged-step-{STEPS:08d}" in told
    assert (folder / f"checkpoints/damaged-step-{STEPS:08d}").is_dir()
    assert_same_end(folder, whole)


@pytest.fixture
def disk(tmp_path):
    with small_disk(tmp_path / "disk", "64m") as disk:
        yield disk


def leave_room_for(checkpoints, disk, whole):
    folder = whole / f"checkpoints/step-{STEPS:08d}"
    size = sum(path.stat().st_size for path in folder.iterdir())
    resize(disk, int(checkpoints * size))


def test_a_full_disk_stops_a_run_which_goes_on_when_there_is_room(shards, whole, disk):
    leave_room_for(2.5, disk, whole)
    config = six_steps(shards, disk / "run", steps=STEPS + 60)
    with pytest.raises(FullDiskError, match="step-00000006 could not be written: it takes"):
        run_training(config)
    assert list(checkpoint.steps(disk / "run/checkpoints")) == [2, 4]
    assert len(records(disk / "run")) < STEPS + 60, "it must not go on until the end"

    resize(disk, "64m")
    run_training(six_steps(shards, disk / "run"))
    assert_same_end(disk / "run", whole)


class MakeRoom:
    """An observer that makes the disk larger after a step."""

    interval = 1

    def __init__(self, disk, step):
        self.disk = disk
        self.step = step

    def __call__(self, trainer):
        if trainer.step == self.step:
            resize(self.disk, "64m")


def test_a_run_may_try_again_when_the_disk_is_full(shards, whole, disk, capsys):
    leave_room_for(1.5, disk, whole)
    config = six_steps(shards, disk / "run", on_full_disk="retry")
    run_training(config, (lambda *_: MakeRoom(disk, 5),))

    assert "step-00000004 could not be written" in capsys.readouterr().err
    assert list(checkpoint.steps(disk / "run/checkpoints")) == [2, 6]
    assert_same_end(disk / "run", whole)


class FillDisk:
    """An observer that takes all the room after a step, and gives it back after another."""

    interval = 1

    def __init__(self, disk, full_after, room_after):
        self.filler = disk / "filler"
        self.full_after = full_after
        self.room_after = room_after

    def __call__(self, trainer):
        if trainer.step == self.full_after:
            with self.filler.open("wb", buffering=0) as file, suppress(OSError):
                while True:
                    file.write(bytes(4096))
        if trainer.step == self.room_after:
            self.filler.unlink()


@pytest.mark.parametrize("room_after", [5, 9])
def test_reports_and_pictures_wait_for_room_too(shards, whole, disk, capsys, room_after):
    """With nothing on the disk in the meantime that would need them, also if nobody makes room."""
    config = six_steps(shards, disk / "run", on_full_disk="retry", sample_every=1)
    fill = FillDisk(disk, 2, room_after)
    if room_after < STEPS:
        run_training(config, (lambda *_: fill,))
    else:
        with pytest.raises(FullDiskError, match="other writes found no room"):
            run_training(config, (lambda *_: fill,))
        assert list(checkpoint.steps(disk / "run/checkpoints")) in ([], [2])
        fill.filler.unlink()
        run_training(config)
    assert "the disk is full. Training goes on" in capsys.readouterr().err
    assert_same_end(disk / "run", whole)
    pictures = sorted(path.name for path in (disk / "run/samples").iterdir())
    assert pictures == [f"step-{step:08d}.png" for step in range(1, STEPS + 1)]


def torchrun(config, processes):
    """`histosyn train` with real processes, as users start it."""
    path = config.run.folder.parent / "config.toml"
    path.write_text(as_toml(config))
    command = [
        sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(processes),
        "--rdzv-backend", "c10d", "--rdzv-endpoint", "localhost:0", "-m", "histosyn_train",
    ]  # fmt: skip
    module = config.run.folder.parent / "histosyn_train.py"
    module.write_text(
        "if __name__ == '__main__':\n"
        f"    from launch.cli import main; main(['train', '--config', {str(path)!r}])\n"
    )
    environment = os.environ | {
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join([str(module.parent), str(ROOT)]),
    }
    run = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)
    assert run.returncode == 0, run.stderr[-3000:]


@pytest.mark.slow
def test_two_processes_then_one_then_three_are_one_run(shards, tmp_path):
    """In float64 the losses agree to 1e-6 relative; the random numbers are the very same."""
    config = six_steps(shards, tmp_path / "changing" / "run", steps=9, checkpoint_every=3)
    config = replace(config, data=replace(config.data, global_batch=6))
    config.run.folder.parent.mkdir()
    for steps, processes in ((3, 2), (6, 1), (9, 3)):
        torchrun(replace(config, run=replace(config.run, steps=steps)), processes)
    alone = replace(config, run=replace(config.run, folder=tmp_path / "alone"))
    run_training(alone)

    ours, theirs = losses(config.run.folder), losses(alone.run.folder)
    assert [record["step"] for record in ours] == list(range(1, 10))
    for mine, other in zip(ours, theirs, strict=True):
        assert mine == pytest.approx(other, rel=1e-6)
    per_rank = [record["images_per_second_per_rank"] for record in records(config.run.folder)]
    total = [record["images_per_second"] for record in records(config.run.folder)]
    ranks = [round(all_ / one) for all_, one in zip(total, per_rank, strict=True)]
    assert ranks == [2, 2, 2, 1, 1, 1, 3, 3, 3]


@pytest.mark.slow
def test_killed_at_20_random_instants_the_weights_are_the_same(tmp_path):
    found = tmp_path / "found.json"
    command = [sys.executable, str(ROOT / "benchmarks/soak.py"), str(tmp_path / "soak"),
               "--kills", "20", "--steps", "60", "--json", str(found)]  # fmt: skip
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    run = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert run.returncode == 0, run.stderr[-3000:]
    summary = json.loads(found.read_text())
    assert summary["kills"] == 20 and summary["identical"]
