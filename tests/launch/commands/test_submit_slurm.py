"""`histosyn submit train` on a real SLURM: nodes do not show in what is learnt."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from slurm_cluster import BIN, SITE, running_slurm, slurm_marks
from tissue import pack_blobs, tiny_config

from histosyn.config.file import as_toml

pytestmark = slurm_marks()


@pytest.fixture(scope="module")
def slurm():
    with running_slurm(nodes=2) as cluster:
        yield cluster


@pytest.fixture
def project(tmp_path):
    """A user's folder: shards, a configuration, a site file.

    The configuration is one in float64. In float32 the rounding of sums in another order shows in
    the third digit, because Adam's first steps are the signs of gradients, and some of these would
    be zero but for rounding.
    """
    shards = pack_blobs(tmp_path, count=6).relative_to(tmp_path)
    config = tiny_config(shards, Path("runs/other"), steps=6, checkpoint_every=2)
    (tmp_path / "train.toml").write_text(as_toml(config))
    (tmp_path / "site.toml").write_text(SITE)
    return tmp_path


def train_alone(project):
    """The run that all others must equal: one process, no SLURM."""
    command = [BIN / "histosyn", "train", "--config", "train.toml", "--run.folder", "alone"]
    result = subprocess.run(
        command,
        cwd=project,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    return losses(project / "alone")


def submit(slurm, project, *arguments):
    """Submit, wait for the end; returns the job's output."""
    (number,) = slurm.submit(project, "train", *arguments)
    state = slurm.wait_for(number)
    (log,) = project.glob(f"runs/*/slurm-{number}.log")
    assert state == "COMPLETED", log.read_text()
    return log.read_text()


def losses(folder):
    records = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [
        {name: value for name, value in record.items() if name == "step" or "loss/" in name}
        for record in records
    ]


def test_two_nodes_and_then_one_learn_what_one_process_learns(slurm, project):
    # The name has what shells and SLURM would like to read something into.
    folder = "runs/it's 100% of `HOME`"
    run = ("--config", "train.toml", "--run.folder", folder)

    two_nodes = submit(slurm, project, "--nodes", "2", *run, "--run.steps", "4")
    assert "2 processes" in two_nodes
    one_node = submit(slurm, project, *run)
    assert "step 4 of 6" in one_node and "1 process," in one_node

    expected = train_alone(project)
    found = losses(project / folder)
    assert [record["step"] for record in found] == [1, 2, 3, 4, 5, 6]
    assert len(expected[0]) > 3
    for ours, alone in zip(found, expected, strict=True):
        assert ours == pytest.approx(alone, rel=1e-8)
    assert (project / folder / "model" / "model.safetensors").is_file()


def test_a_job_that_fails_ends_on_all_nodes(slurm, project):
    """A rank that cannot go on must not leave the others waiting until the time limit."""
    (project / "packed/train/shard-000000.tar").write_bytes(b"")
    run = ("--config", "train.toml", "--run.folder", "runs/damaged", "--max-restarts", "0")
    (number,) = slurm.submit(project, "train", "--nodes", "2", *run)

    assert slurm.wait_for(number) == "FAILED"
    log = (project / f"runs/damaged/slurm-{number}.log").read_text()
    assert "shard-000000.tar" in log
