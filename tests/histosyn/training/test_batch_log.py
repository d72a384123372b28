"""`batches.jsonl`: what each step saw, the same however the run was started and interrupted."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
from ranks import run_ranks
from tissue import pack_blobs, tiny_config

from histosyn.config.train import TrainConfig
from histosyn.training.data import open_stream
from histosyn.training.run import run_training
from histosyn.training.trainer import Trainer
from hpc.errors import HistosynError
from hpc.topology import Topology

SETTINGS = {"steps": 7, "report_every": 3, "checkpoint_every": 4, "log_batches": True}
# So that 1, 2 and 3 processes divide it; and the epoch's end lies within a batch.
BATCH = 6


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pack_blobs(tmp_path_factory.mktemp("data"), count=8)


def config_of(shards: Path, folder: Path, **settings: object) -> TrainConfig:
    config = tiny_config(shards, folder, **SETTINGS | settings)
    return replace(config, data=replace(config.data, global_batch=BATCH))


def lines(folder: Path) -> list[str]:
    return (folder / "batches.jsonl").read_text().splitlines()


@pytest.fixture(scope="module")
def alone(shards: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("alone") / "run"
    run_training(config_of(shards, folder))
    return folder


def test_a_line_tells_what_a_step_saw(shards: Path, alone: Path) -> None:
    records = [json.loads(line) for line in lines(alone)]
    assert [record["step"] for record in records] == [1, 2, 3, 4, 5, 6, 7]
    assert sorted(records[0]["samples"] + records[1]["samples"][:2]) == [
        f"tile-{number:02d}" for number in range(8)
    ], "each once in an epoch"
    stream = open_stream(config_of(shards, alone), Topology())
    batch = next(stream.batches(start=4))
    assert records[4]["samples"] == batch.keys
    seen = batch.tiles_NCHW[2].numpy().tobytes() + batch.labels_NHW[2].numpy().tobytes()
    assert records[4]["sha256"][2] == hashlib.sha256(seen).hexdigest()[:16]


def train(config: TrainConfig) -> None:
    run_training(config)


@pytest.mark.parametrize("processes", [2, pytest.param(3, marks=pytest.mark.slow)])
def test_any_number_of_processes_writes_the_same_lines(
    shards: Path, alone: Path, tmp_path: Path, processes: int
) -> None:
    run_ranks(processes, train, config_of(shards, tmp_path / "run"), joined=False)
    assert lines(tmp_path / "run") == lines(alone)


@pytest.mark.parametrize("minutes", [0.0, 1e-9])
def test_a_restart_neither_doubles_nor_drops_a_line(
    shards: Path, alone: Path, tmp_path: Path, minutes: float
) -> None:
    """After a checkpoint by steps, whose later lines are written again, or one by the clock."""
    config = config_of(shards, tmp_path / "run", checkpoint_minutes=minutes)

    def die(trainer: Trainer) -> None:
        raise HistosynError("enough")

    die.interval = 6  # type: ignore[attr-defined]
    with pytest.raises(HistosynError, match="enough"):
        run_training(config, (lambda config, topology: die,))  # type: ignore[arg-type,return-value]
    assert lines(tmp_path / "run") == lines(alone)[:6]
    run_training(config)
    assert lines(tmp_path / "run") == lines(alone)


def test_it_can_be_asked_for_later_and_without_it_there_is_no_file(
    shards: Path, alone: Path, tmp_path: Path
) -> None:
    run_training(config_of(shards, tmp_path / "run", steps=5, log_batches=False))
    assert not (tmp_path / "run/batches.jsonl").exists()
    run_training(config_of(shards, tmp_path / "run"))
    assert lines(tmp_path / "run") == lines(alone)[5:]
