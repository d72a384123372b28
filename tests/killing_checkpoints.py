"""Kill the writing of checkpoints before every file operation, and in the middle of a file; run as
a script, in a process of its own, because it forks.

    python tests/killing_checkpoints.py saving FOLDER
    python tests/killing_checkpoints.py training FOLDER SHARDS
"""

import resource
import shutil
import signal
import sys
from functools import partial
from pathlib import Path

import torch
from file_operations import dies, kill_before
from tissue import tiny_config

from histosyn.training.run import run_training
from hpc import checkpoint
from hpc.async_checkpoint import AsyncSaver
from hpc.log import RecordsFile

_TENSOR_BYTES = 800


def state(step):
    return {"step": step, "weights": torch.full((_TENSOR_BYTES // 8,), step, dtype=torch.float64)}


def save(root, *numbers):
    with AsyncSaver(root, keep_last=2) as saver:
        for step in numbers:
            saver.save(step, state(step))


def limit_files(size):
    """The kernel kills whoever writes beyond so many bytes of a file."""
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def check(root):
    """Whatever can be seen is whole, and nothing is lost."""
    for path in checkpoint.steps(root).values():
        checkpoint.verify(path)
    newest = checkpoint.newest_valid(root)
    step = checkpoint.load(newest)["step"]
    assert step in (2, 3), step
    assert torch.equal(checkpoint.load(newest)["weights"], state(step)["weights"])
    save(root, 4, 5)
    assert sorted(path.name for path in root.iterdir()) == ["step-00000004", "step-00000005"]


def saving(folder):
    """Steps 1 and 2 are there; the writing of 3, which also deletes 1, is killed."""
    save(folder / "before", 1, 2)

    def killed(root, kill, *arguments):
        shutil.copytree(folder / "before", root)
        return dies(lambda: (kill(*arguments), save(root, 3)))

    number = 0
    while killed(root := folder / f"killed-{number}", kill_before, number, root):
        check(root)
        number += 1
    for size in (0, 100, _TENSOR_BYTES, _TENSOR_BYTES + 1):
        root = folder / f"cut-{size}"
        assert killed(root, limit_files, size)
        check(root)
    return number


def training(folder, shards):
    """A run is killed before each operation on its checkpoints, and started again."""

    def run(name, kill_at=None):
        config = tiny_config(shards, folder / name, steps=2, checkpoint_every=1, keep_last=1)
        if kill_at is not None:
            kill_before(kill_at, config.run.folder / "checkpoints")
        run_training(config)

    def end(name):
        final = checkpoint.checkpoint_path(folder / name / "checkpoints", 2)
        losses = [
            {key: value for key, value in record.items() if key.startswith(("step", "loss/"))}
            for record in RecordsFile(folder / name / "metrics.jsonl").read()
        ]
        model = folder / name / "model/model.safetensors"
        return (final / "tensors.safetensors").read_bytes(), losses, model.read_bytes()

    assert not dies(partial(run, "whole"))
    number = 0
    while dies(partial(run, "killed", kill_at=number)):
        assert not dies(partial(run, "killed"))
        assert end("killed") == end("whole"), f"killed before operation {number}"
        shutil.rmtree(folder / "killed")
        number += 1
    return number


if __name__ == "__main__":
    what, *paths = sys.argv[1:]
    print({"saving": saving, "training": training}[what](*map(Path, paths)))
