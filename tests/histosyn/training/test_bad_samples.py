"""A run on damaged shards: what it lists, where it stops, and that it stays reproducible."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from damage import flip
from tissue import pack_blobs, tiny_config

from histosyn.config.file import as_toml
from histosyn.config.train import TrainConfig
from histosyn.training.run import run_training
from hpc.errors import DatasetError, SampleError
from hpc.log import RecordsFile

SAMPLES = 24
HISTOSYN = (sys.executable, "-c", "from launch.cli import main; main()")


@pytest.fixture(scope="module")
def damaged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 samples in 4 shards, two samples of the second with a flipped byte."""
    shards = pack_blobs(tmp_path_factory.mktemp("data"), SAMPLES, 64, 6)
    rows = np.load(shards / "samples.npy")
    for row in (7, 9):
        flip(shards / "shard-000001.tar", int(rows["tile_offset"][row]) + 100)
    return shards


def skipping(shards: Path, folder: Path, *, share: float = 0.2, **run: object) -> TrainConfig:
    config = tiny_config(shards, folder, **{"report_every": 2, "checkpoint_every": 2} | run)
    return replace(config, data=replace(config.data, on_bad_sample="skip", bad_share=share))


def listed(folder: Path) -> list[dict[str, object]]:
    return RecordsFile(folder / "bad-samples.jsonl").read()


def losses(folder: Path) -> list[dict[str, float]]:
    records = RecordsFile(folder / "metrics.jsonl").read()
    return [{name: r[name] for name in r if name.startswith(("loss/", "step"))} for r in records]


@pytest.fixture(scope="module")
def skipped(damaged: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run through more than an epoch of the damaged shards."""
    folder = tmp_path_factory.mktemp("run") / "one"
    run_training(skipping(damaged, folder, steps=8))
    return folder


def test_by_default_the_run_stops_at_the_sample(damaged: Path, tmp_path: Path) -> None:
    with pytest.raises(SampleError, match=r"shard-000001\.tar, tile-0[79]: .*CRC-32.*skip"):
        run_training(tiny_config(damaged, tmp_path / "run"))


def test_each_bad_sample_is_listed_once_with_its_cause(skipped: Path) -> None:
    records = listed(skipped)
    assert sorted(record["key"] for record in records) == ["tile-07", "tile-09"]
    for record in records:
        assert record["shard"] == "shard-000001.tar"
        assert "CRC-32" in record["cause"]
        assert record["replaced_by"].startswith("tile-")
        assert 1 <= record["step"] <= 8


def test_a_run_that_goes_on_lists_and_learns_the_same(
    damaged: Path, skipped: Path, tmp_path: Path
) -> None:
    for steps in (4, 8):
        run_training(skipping(damaged, tmp_path / "two", steps=steps))
    assert listed(tmp_path / "two") == listed(skipped)
    assert losses(tmp_path / "two") == losses(skipped)


def test_two_processes_list_the_same(damaged: Path, skipped: Path, tmp_path: Path) -> None:
    config = tmp_path / "run.toml"
    config.write_text(as_toml(skipping(damaged, tmp_path / "two", steps=8)))
    run = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2",
         "--rdzv-backend", "c10d", "--rdzv-endpoint", "localhost:0",
         "--no-python", *HISTOSYN, "train", "--config", str(config)],
        capture_output=True, text=True, timeout=300,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert listed(tmp_path / "two") == listed(skipped)
    assert "2 of 24 samples (8.33%) cannot be used" in run.stderr


def test_more_than_the_stated_share_is_an_error(damaged: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"cannot be used, more than data\.bad_share = 0\.05"):
        run_training(skipping(damaged, tmp_path / "run", share=0.05, steps=8))
    assert len(listed(tmp_path / "run")) == 2
    with pytest.raises(DatasetError, match=r"more than data\.bad_share = 0\.05"):
        run_training(skipping(damaged, tmp_path / "run", share=0.05, steps=8))


def test_when_nothing_can_be_used_it_says_so(damaged: Path, tmp_path: Path) -> None:
    shards = shutil.copytree(damaged, tmp_path / "train")
    for path in shards.glob("*.tar"):
        path.unlink()
    with pytest.raises(DatasetError, match="None of 24 samples of .*train can be used"):
        run_training(skipping(shards, tmp_path / "run"))


def test_what_an_index_left_out_is_listed_from_the_start(damaged: Path, tmp_path: Path) -> None:
    """Foreign shards: the flipped bytes are found when they are indexed."""
    shards = shutil.copytree(damaged, tmp_path / "train")
    (shards / "dataset.json").unlink()
    (shards / "samples.npy").unlink()
    config = skipping(shards, tmp_path / "run", steps=2)
    run_training(replace(config, data=replace(config.data, schema="prostate-3")))
    records = listed(tmp_path / "run")
    assert {(record["step"], record["key"]) for record in records} == {
        (0, "tile-07"), (0, "tile-09"),
    }  # fmt: skip


def test_the_command_line_says_it_in_one_line(damaged: Path, tmp_path: Path) -> None:
    config = tmp_path / "run.toml"
    config.write_text(as_toml(tiny_config(damaged, tmp_path / "run")))
    command = [*HISTOSYN, "train", "--config", str(config)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert run.returncode == 2
    assert len([line for line in run.stderr.splitlines() if "histosyn:" in line]) == 1
    assert "Traceback" not in run.stderr
    skip = [*command, "--on-bad-sample", "skip", "--dry-run"]
    run = subprocess.run(skip, capture_output=True, text=True, timeout=120)
    assert 'on_bad_sample = "skip"' in run.stdout
