"""Checkpoints under kill -9 at every file operation, and on a disk that is full too late."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tissue import pack_blobs

from hpc import checkpoint
from hpc.checkpoint import checkpoint_path
from hpc.errors import FullDiskError

TESTS = Path(__file__).parents[1]
SMALL, LARGE = torch.arange(8), torch.zeros(1 << 20)


def state(step, weights=SMALL):
    return {"step": step, "weights": weights}


def kill_everywhere(*arguments):
    """Run the script; returns how many operations there were to be killed before."""
    path = os.pathsep.join([str(TESTS), str(TESTS.parent)])
    run = subprocess.run(
        [sys.executable, str(TESTS / "killing_checkpoints.py"), *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    return int(run.stdout)


def test_killed_before_any_operation_nothing_is_lost(tmp_path):
    assert kill_everywhere("saving", tmp_path) >= 18


@pytest.mark.slow
def test_a_run_killed_before_any_operation_ends_with_the_same_weights(tmp_path):
    assert kill_everywhere("training", tmp_path, pack_blobs(tmp_path / "data")) >= 30


def test_a_disk_that_says_too_late_that_it_is_full(small_disk, monkeypatch):
    """Quotas are not among what is known to be free."""
    monkeypatch.setattr(checkpoint, "_require_room", lambda *_: None)
    checkpoint.save(checkpoint_path(small_disk, 1), state(1))

    with pytest.raises(FullDiskError, match="step-00000002 could not be written: No space left"):
        checkpoint.save(checkpoint_path(small_disk, 2), state(2, LARGE))

    assert [path.name for path in small_disk.iterdir()] == ["step-00000001"]
