"""Whole trainings of a segmenter: reproducible, resumable, the same on one and two processes."""

import os
import shutil
import signal
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from ranks import run_ranks
from segmenting import tiny_segmenter
from tissue import SCHEMA, pack_blobs, write_folders

from eval.segmenter.model import load_segmenter
from eval.segmenter.training import train_segmenter
from histosyn.packing.pack import PackConfig, pack
from histosyn.training.data import open_stream
from hpc import checkpoint, precision
from hpc.errors import ConfigError
from hpc.log import RecordsFile
from hpc.preemption import Stopped
from hpc.run_state import read_state


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    return pack_blobs(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def whole(shards, tmp_path_factory):
    """The undisturbed run."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    train_segmenter(tiny_segmenter(shards, folder))
    return folder


def losses(folder):
    return [
        {name: value for name, value in record.items() if name.startswith(("loss/", "step"))}
        for record in RecordsFile(folder / "metrics.jsonl").read()
    ]


def assert_same_end(folder, whole):
    assert losses(folder) == losses(whole)
    assert load_segmenter(folder).sha256 == load_segmenter(whole).sha256


def test_it_learns(whole):
    values = [record["loss/cross_entropy"] for record in losses(whole)]
    assert len(values) == 8
    assert values[-1] < values[0]


def test_the_run_folder_is_that_of_any_run(whole):
    assert {path.name for path in whole.iterdir()} == {
        "config.toml", "metrics.jsonl", "checkpoints", "model", "state.json",
    }  # fmt: skip
    assert {path.name for path in (whole / "model").iterdir()} == {
        "model.safetensors", "config.json", "README.md",
    }  # fmt: skip
    record = RecordsFile(whole / "metrics.jsonl").read()[-1]
    assert {"images_seen", "images_per_second", "eta_seconds", "lr"} <= record.keys()
    assert read_state(whole).state == "finished"


def test_the_same_command_gives_the_same_segmenter(shards, whole, tmp_path):
    train_segmenter(tiny_segmenter(shards, tmp_path / "again"))
    assert_same_end(tmp_path / "again", whole)


def test_going_on_from_a_checkpoint_is_exact(shards, whole, tmp_path):
    parts = tiny_segmenter(shards, tmp_path / "parts", steps=3)
    train_segmenter(parts)
    train_segmenter(replace(parts, run=replace(parts.run, steps=8)))
    assert_same_end(tmp_path / "parts", whole)
    last = "checkpoints/step-00000008/tensors.safetensors"
    assert (tmp_path / "parts" / last).read_bytes() == (whole / last).read_bytes()


class AskToStop:
    """Batches of a stream that ask the process to stop while the third is made."""

    def __init__(self, stream):
        self.stream = stream
        self.index = stream.index

    def batches(self, start=0):
        for batch in self.stream.batches(start):
            if batch.number == 3:
                os.kill(os.getpid(), signal.SIGTERM)
            yield batch


def test_a_stop_between_reports_is_saved_and_changes_nothing(shards, tmp_path):
    settings = {"report_every": 5, "checkpoint_every": 10}
    config = tiny_segmenter(shards, tmp_path / "stopped", **settings)
    with pytest.raises(Stopped, match="stopped after step 3 of 8"):
        train_segmenter(config, open_batches=lambda c, t: AskToStop(open_stream(c, t)))
    train_segmenter(config)
    undisturbed = tiny_segmenter(shards, tmp_path / "undisturbed", **settings)
    train_segmenter(undisturbed)
    assert_same_end(tmp_path / "stopped", tmp_path / "undisturbed")


def train_on_rank(config):
    train_segmenter(config)


def test_two_processes_give_the_losses_of_one(shards, whole, tmp_path):
    config = tiny_segmenter(shards, tmp_path / "two")
    run_ranks(2, train_on_rank, config, joined=False)
    for mine, other in zip(losses(tmp_path / "two"), losses(whole), strict=True):
        assert mine == pytest.approx(other, rel=1e-9)
    weights = [load_segmenter(folder).network.state_dict() for folder in (tmp_path / "two", whole)]
    for name, tensor in weights[0].items():
        torch.testing.assert_close(tensor, weights[1][name], rtol=1e-6, atol=1e-7)


def test_other_settings_cannot_go_on(shards, tmp_path):
    config = tiny_segmenter(shards, tmp_path / "run", steps=1)
    train_segmenter(config)
    other = replace(config, network=replace(config.network, halvings=1))
    with pytest.raises(ConfigError, match=r"network\.halvings changed.*another OUT\."):
        train_segmenter(other)


def test_a_checkpoint_holds_the_average_and_the_optimizer(shards, tmp_path):
    train_segmenter(tiny_segmenter(shards, tmp_path / "run", steps=2))
    (path,) = checkpoint.steps(tmp_path / "run" / "checkpoints").values()
    state = checkpoint.load(path)
    assert state["trainer"].keys() >= {"network", "ema", "optimizer", "step"}
    assert state["model"]["kind"] == "segmenter"


def test_ignored_pixels_are_left_out(tmp_path):
    """Blobs of which one class is ignored: what is left is learnt."""
    tiles, labels = write_folders(tmp_path / "source", count=8)
    for path in labels.iterdir():
        with Image.open(path) as image:
            values = np.array(image)
        Image.fromarray(np.where(values == 2, 255, values).astype(np.uint8)).save(path)
    schema = replace(SCHEMA, ignore=255)
    pack(tiles, labels, tmp_path / "packed", schema, PackConfig())
    train_segmenter(tiny_segmenter(tmp_path / "packed/train", tmp_path / "run", steps=3))
    assert all(np.isfinite(list(record.values())).all() for record in losses(tmp_path / "run"))


def test_precision_auto_is_settled_at_the_first_start(shards, tmp_path, monkeypatch):
    """And kept where the device would choose another."""
    config = tiny_segmenter(shards, tmp_path / "run", steps=1, precision="auto")
    for steps, native in ((1, True), (2, False)):
        monkeypatch.setattr(precision, "computes_bfloat16", lambda device, able=native: able)
        shutil.rmtree(tmp_path / "run/model", ignore_errors=True)
        train_segmenter(replace(config, run=replace(config.run, steps=steps)))
    facts = load_segmenter(tmp_path / "run/model", torch.device("cpu")).facts
    assert facts.training["precision"] == "bfloat16"
    records = RecordsFile(tmp_path / "run/metrics.jsonl").read()
    assert [record["precision"] for record in records] == ["bfloat16"] * 2
