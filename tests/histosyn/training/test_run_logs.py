"""TensorBoard and Weights & Biases, read back by their own readers: every step once, as in the
records that stay the truth."""

from __future__ import annotations

import json
import shutil
import struct
from pathlib import Path

import pytest
from ranks import run_ranks
from tissue import pack_blobs, tiny_config

from histosyn.training import run_logs
from histosyn.training.log_entries import Entry
from histosyn.training.run import run_training
from histosyn.training.run_logs import KeepLogs
from hpc.errors import InputError

HAS = {name: run_logs.find_spec(name) is not None for name in ("tensorboard", "wandb")}
needs_tensorboard = pytest.mark.skipif(not HAS["tensorboard"], reason="TensorBoard is absent")
needs_wandb = pytest.mark.skipif(not HAS["wandb"], reason="Weights & Biases is absent")


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    return pack_blobs(tmp_path, count=8, size=32)


def reports(run: Path, name: str = "metrics.jsonl") -> list[dict]:
    return [json.loads(line) for line in (run / name).read_text().splitlines()]


def events_of(run: Path):
    """What TensorBoard itself makes of the event files, with all that is purged left out."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(run / "tensorboard"), {"images": 0, "scalars": 0, "tensors": 0})
    return found.Reload()


def shown(run: Path, name: str) -> list[tuple[int, float]]:
    return [(event.step, event.value) for event in events_of(run).Scalars(name)]


def noted(run: Path, name: str, file: str = "metrics.jsonl") -> list[tuple[int, float]]:
    return [(one["step"], pytest.approx(one[name], rel=1e-6)) for one in reports(run, file)]


def cut_off_after(run: Path, step: int) -> None:
    """As if the run was killed at its end: the checkpoint of `step` is the newest."""
    for path in (run / "checkpoints").iterdir():
        if path.name.startswith("step-") and int(path.name[5:]) > step:
            shutil.rmtree(path)
    shutil.rmtree(run / "model")


@needs_tensorboard
def test_tensorboard_shows_what_the_records_say(shards: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run_training(tiny_config(shards, run, steps=4, sample_every=2, tensorboard=True))
    assert shown(run, "loss/generator/adversarial") == noted(run, "loss/generator/adversarial")
    assert len(shown(run, "images_per_second")) == 4
    assert shown(run, "spectra/weave_2") == noted(run, "weave_2", "spectra.jsonl")
    assert [image.step for image in events_of(run).Images("samples")] == [2, 4]
    settings = events_of(run).SummaryMetadata("_hparams_/session_start_info")
    assert b"optimizer.generator_lr" in settings.plugin_data.content


@needs_tensorboard
def test_a_resumed_run_writes_no_step_twice(shards: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    config = tiny_config(shards, run, steps=6, sample_every=3, checkpoint_every=2, tensorboard=True)
    run_training(config)
    cut_off_after(run, 4)
    run_training(config)
    assert len(list((run / "tensorboard").glob("events*"))) == 2
    for name in ("loss/generator/adversarial", "images_per_second"):
        assert shown(run, name) == noted(run, name)
    assert [step for step, _ in shown(run, "loss/generator/adversarial")] == [1, 2, 3, 4, 5, 6]
    assert [image.step for image in events_of(run).Images("samples")] == [3, 6]


@needs_tensorboard
def test_what_was_trained_without_a_log_is_made_up_for(shards: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    for steps, wanted in ((2, True), (4, False), (6, True)):
        run_training(tiny_config(shards, run, steps=steps, sample_every=2, tensorboard=wanted))
    assert shown(run, "loss/generator/adversarial") == noted(run, "loss/generator/adversarial")


@needs_tensorboard
def test_only_the_first_rank_writes(shards: Path, tmp_path: Path) -> None:
    config = tiny_config(shards, tmp_path / "run", steps=2, tensorboard=True)
    run_ranks(2, _train, config, joined=False)
    assert len(list((tmp_path / "run/tensorboard").glob("events*"))) == 1
    assert [step for step, _ in shown(tmp_path / "run", "loss/generator/adversarial")] == [1, 2]


def _train(config) -> None:
    run_training(config)


@needs_wandb
def test_weights_and_biases_offline_holds_each_step_once(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", "online")
    run = tmp_path / "run"
    config = tiny_config(shards, run, steps=4, sample_every=2, checkpoint_every=2, wandb=True)
    run_training(config)
    cut_off_after(run, 2)
    run_training(config)
    (folder,) = (run / "wandb").glob("offline-run-*")
    rows = list(rows_of(folder))
    assert [row["_step"] for row in rows] == [1, 2, 3, 4]
    losses = [(row["_step"], row["loss/generator/adversarial"]) for row in rows]
    assert losses == noted(run, "loss/generator/adversarial")
    assert {row["_step"] for row in rows if "spectra/weave_2" in row} == {2, 4}
    assert len(list(folder.rglob("*.png"))) == 2


def rows_of(folder: Path):
    """The rows of W&B's own file."""
    from wandb.proto import wandb_internal_pb2

    (path,) = folder.glob("*.wandb")
    for data in records_of(path.read_bytes()):
        record = wandb_internal_pb2.Record.FromString(data)
        if record.WhichOneof("record_type") == "history":
            items = record.history.item
            yield {item.key or item.nested_key[0]: json.loads(item.value_json) for item in items}


def records_of(data: bytes):
    """What a log in LevelDB's format holds: pieces (crc, length, kind) in blocks of 32 KiB."""
    place, whole = 7, b""
    while place < len(data):
        left = 32768 - place % 32768
        if left < 7:
            place += left
            continue
        _crc, length, kind = struct.unpack_from("<IHB", data, place)
        whole += data[place + 7 : place + 7 + length]
        place += 7 + length
        # A piece is a whole record, or the first, a middle or the last part of one.
        if kind in (1, 4):
            yield whole
            whole = b""


@pytest.mark.parametrize("name", ["tensorboard", "wandb"])
def test_a_missing_package_is_named_before_anything_is_done(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_logs, "find_spec", lambda name: None)
    # The shards are missing, too, but nobody has looked for them yet.
    config = tiny_config(tmp_path / "none", tmp_path / "run", **{name: True})
    with pytest.raises(InputError, match=rf"run\.{name} = true needs .*histosyn\[{name}\]"):
        run_training(config)


class Broken:
    """A log whose disk is full."""

    name = "tensorboard"
    first_step = 0

    def __init__(self) -> None:
        self.steps: list[int] = []

    def add(self, entry: Entry) -> None:
        if entry.step == 2:
            raise OSError("no room")
        self.steps.append(entry.step)

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass


def test_a_log_that_cannot_be_written_is_told_and_left(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_logs.logger, "propagate", True)
    lines = [json.dumps({"step": step, "loss/x": 1.0}) + "\n" for step in (1, 2, 3)]
    (tmp_path / "metrics.jsonl").write_text("".join(lines))
    log = Broken()
    keeper = KeepLogs(tiny_config(tmp_path, tmp_path).run, [log])
    keeper.update(3)
    keeper.close(3)
    assert log.steps == [1]
    assert "TensorBoard cannot be written any more: no room" in caplog.text


def test_what_a_cut_off_run_noted_of_later_steps_is_not_shown(tmp_path: Path) -> None:
    path = tmp_path / "spectra.jsonl"
    path.write_text('{"step": 1, "weave_2": 1.0}\n{"step": 4, "weave_2": 9.0}\n')
    told: list[Entry] = []
    log = Broken()
    log.add = told.append
    keeper = KeepLogs(tiny_config(tmp_path, tmp_path).run, [log])
    keeper.update(2)
    path.write_text('{"step": 1, "weave_2": 1.0}\n{"step": 4, "weave_2": 2.0}\n')
    keeper.update(4)
    assert [entry.numbers for entry in told] == [{"spectra/weave_2": 1.0}, {"spectra/weave_2": 2.0}]
