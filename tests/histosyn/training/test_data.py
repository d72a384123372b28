"""Copies on the node's disk, as a run asks for them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from ranks import run_ranks
from tissue import pack_blobs, tiny_config

from histosyn.config.train import TrainConfig
from histosyn.shards.index_file import load_index
from histosyn.shards.staging import staging_folder
from histosyn.training.data import open_stream, stage_shards
from histosyn.training.run import run_training
from hpc.errors import HistosynError
from hpc.topology import Topology, detect


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    return pack_blobs(tmp_path, count=12, size=64, samples_per_shard=2)


def staged(config: TrainConfig, to: Path, **data: object) -> TrainConfig:
    return replace(config, data=replace(config.data, stage_to=to, **data))


def test_a_run_reads_the_copies(shards: Path, tmp_path: Path, monkeypatch) -> None:
    """The folder's name may be known in the job only."""
    monkeypatch.setenv("JOB_FOLDER", str(tmp_path / "local"))
    plain = tiny_config(shards, tmp_path / "plain", steps=4)
    run_training(plain)
    run_training(staged(tiny_config(shards, tmp_path / "run", steps=4), Path("$JOB_FOLDER")))
    assert len(list((tmp_path / "local").glob("*/*.tar"))) == 6
    models = [tmp_path / name / "model/model.safetensors" for name in ("plain", "run")]
    assert models[0].read_bytes() == models[1].read_bytes()


def test_nothing_is_read_of_a_copy_that_is_not_checked_yet(shards: Path, tmp_path: Path) -> None:
    """Whoever opened what somebody put there would go on reading it after it was replaced."""
    plain = tiny_config(shards, tmp_path / "plain", steps=4)
    run_training(plain)
    config = staged(tiny_config(shards, tmp_path / "run", steps=4), tmp_path / "local")
    folder = staging_folder(load_index(shards), tmp_path / "local")
    folder.mkdir(parents=True)
    for path in shards.glob("*.tar"):
        (folder / path.name).write_bytes(bytes(path.stat().st_size))
    run_training(config)
    models = [tmp_path / name / "model/model.safetensors" for name in ("plain", "run")]
    assert models[0].read_bytes() == models[1].read_bytes()


def test_what_is_damaged_stays_where_it_lies_if_it_may_be_skipped(
    shards: Path, tmp_path: Path
) -> None:
    with (shards / "shard-000002.tar").open("r+b") as file:
        file.seek(1000)
        file.write(b"x")
    (shards / "shard-000004.tar").unlink()
    config = staged(tiny_config(shards, tmp_path / "run"), tmp_path / "local", on_bad_sample="skip")
    stream = open_stream(config, Topology())
    stage_shards(config.data, stream, range(10), Topology())
    copies = {path.name for path in (tmp_path / "local").glob("*/*.tar")}
    assert copies == {f"shard-00000{number}.tar" for number in (0, 1, 3, 5)}
    next(stream.batches())


def stage_on_a_rank(shards: str, folder: str) -> str:
    """Rank 1 cannot write where it should."""
    topology = detect()
    to = Path(folder) / ("file" if topology.rank else "local")
    config = staged(tiny_config(Path(shards), Path(folder) / "run"), to)
    stream = open_stream(config, topology)
    try:
        stage_shards(config.data, stream, range(3), topology)
    except HistosynError as error:
        return str(error)
    return "done"


def test_what_fails_on_one_rank_fails_on_all(shards: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    messages = run_ranks(2, stage_on_a_rank, str(shards), str(tmp_path))
    assert len(set(messages)) == 1
    assert "file" in messages[0]
    assert "cannot be made" in messages[0]
