"""When somebody asks to stop, the checkpoint comes first; what follows from it is made up for."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from ranks import run_ranks
from tissue import pack_blobs, tiny_config

from histosyn.config.train import TrainConfig
from histosyn.models.folder import load_model
from histosyn.networks.generator import Generator
from histosyn.shards.stream import ShardStream
from histosyn.training.recalibration import Recalibration
from histosyn.training.run import run_training
from histosyn.training.sample_grid import SampleGrid
from histosyn.training.trainer import Trainer
from hpc import checkpoint, progress
from hpc.errors import HistosynError, InputError
from hpc.log import RecordsFile
from hpc.preemption import Stopped

CPU = torch.device("cpu")
# The stop comes at a step that samples and a checkpoint are due at.
SETTINGS = {"steps": 6, "report_every": 3, "checkpoint_every": 4, "sample_every": 4}
ASKED_AT = 4


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pack_blobs(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def undisturbed(shards: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed") / "run"
    run_training(tiny_config(shards, folder, **SETTINGS))
    return folder


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Counts forward batches of generators and sample grids; `at signal` is set by who asks."""
    done = {"forwards": 0, "grids": 0}

    def counted(name: str, function: Callable[..., object]) -> Callable[..., object]:
        def call(*given: object, **options: object) -> object:
            done[name] += 1
            return function(*given, **options)

        return call

    monkeypatch.setattr(Generator, "forward", counted("forwards", Generator.forward))
    monkeypatch.setattr(SampleGrid, "draw", counted("grids", SampleGrid.draw))
    return done


def stopped_in_step(
    monkeypatch: pytest.MonkeyPatch, config: object, step: int, work: dict[str, int] | None = None
) -> None:
    """Ctrl-C comes at the end of a step's computations, before its edge."""
    take_step = Trainer.take_step

    def asking(trainer: Trainer, batch: object) -> object:
        losses = take_step(trainer, batch)  # type: ignore[arg-type]
        if trainer.step + 1 == step:
            os.kill(os.getpid(), signal.SIGINT)
            if work is not None:
                work["at signal"] = work["forwards"]
        return losses

    with monkeypatch.context() as during:
        during.setattr(Trainer, "take_step", asking)
        with pytest.raises(Stopped):
            run_training(config)  # type: ignore[arg-type]


def stopped_in_statistics(
    monkeypatch: pytest.MonkeyPatch, config: object, work: dict[str, int]
) -> None:
    """Ctrl-C comes in the second of the batches that statistics are counted over."""
    label_maps = Recalibration._label_maps

    def asking(recalibration: Recalibration) -> Iterator[object]:
        for number, batch in enumerate(label_maps(recalibration)):
            if number == 1:
                os.kill(os.getpid(), signal.SIGINT)
                work["at signal"] = work["forwards"]
            yield batch

    with monkeypatch.context() as during:
        during.setattr(Recalibration, "_label_maps", asking)
        with pytest.raises(Stopped):
            run_training(config)  # type: ignore[arg-type]


def model_bytes(folder: Path) -> bytes:
    return (folder / "model/model.safetensors").read_bytes()


def test_nothing_is_computed_between_the_request_and_the_checkpoint(
    shards: Path, undisturbed: Path, tmp_path: Path, work: dict[str, int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    folder = tmp_path / "run"
    config = tiny_config(shards, folder, **SETTINGS)
    stopped_in_step(monkeypatch, config, ASKED_AT, work)
    assert work["forwards"] == work["at signal"], "recalibration waits for the next start"
    assert work["grids"] == 0
    (saved,) = checkpoint.steps(folder / "checkpoints").values()
    assert saved.name == "step-00000004"
    assert checkpoint.is_resume_only(saved)
    assert not (folder / "samples").exists()

    run_training(config)
    grid = "samples/step-00000004.png"
    assert (folder / grid).read_bytes() == (undisturbed / grid).read_bytes()
    assert model_bytes(folder) == model_bytes(undisturbed)
    losses = [RecordsFile(each / "metrics.jsonl").read() for each in (folder, undisturbed)]
    for record in losses[0] + losses[1]:
        for name in ("images_per_second", "images_per_second_per_rank", "data_wait_share",
                     "peak_memory_gib", "eta_seconds"):  # fmt: skip
            del record[name]
    assert losses[0] == losses[1]


def test_a_checkpoint_without_statistics_is_for_going_on(
    shards: Path, undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    config = tiny_config(shards, folder, **SETTINGS)
    stopped_in_step(monkeypatch, config, 2)
    for place in (folder, folder / "checkpoints/step-00000002"):
        with pytest.raises(InputError, match=r"statistics .* not counted.*--run.steps 2 it makes"):
            load_model(place, CPU)
    # As the message says; and the next steps do not depend on it.
    run_training(replace(config, run=replace(config.run, steps=2)))
    assert load_model(folder, CPU).sha256 == load_model(folder / "model", CPU).sha256
    assert (folder / "samples/step-00000002.png").exists()
    stopped_in_step(monkeypatch, config, 5)
    shown = load_model(folder, CPU)
    assert shown.facts.training["steps"] == 4, "the newest one to look at is kept, and used"
    run_training(config)
    assert model_bytes(folder) == model_bytes(undisturbed)


@pytest.mark.parametrize(("steps", "sample_every"), [(6, 4), (4, 100)])
def test_a_stop_while_statistics_are_counted_is_followed_by_the_checkpoint(
    shards: Path, tmp_path: Path, work: dict[str, int], monkeypatch: pytest.MonkeyPatch,
    steps: int, sample_every: int,
) -> None:  # fmt: skip
    """For a sample grid, for a checkpoint or after the last step; and in what makes up for it."""
    settings = SETTINGS | {"sample_every": sample_every, "steps": steps, "recalibrate_batches": 4}
    whole = tiny_config(shards, tmp_path / "whole", **settings)
    run_training(whole)
    folder = tmp_path / "run"
    config = tiny_config(shards, folder, **settings)
    for _ in range(2):
        stopped_in_statistics(monkeypatch, config, work)
        assert work["forwards"] == work["at signal"] + 1, "the batch that was under way"
        (saved,) = checkpoint.steps(folder / "checkpoints").values()
        assert saved.name == "step-00000004"
        assert checkpoint.is_resume_only(saved)
        assert not (folder / "samples").exists()
        assert not (folder / "model").exists()
    run_training(config)
    assert model_bytes(folder) == model_bytes(whole.run.folder)
    grids = [
        {path.name: path.read_bytes() for path in (each / "samples").glob("*.png")}
        for each in (folder, whole.run.folder)
    ]
    assert grids[0] == grids[1] and grids[0]
    steps_told = [record["step"] for record in RecordsFile(folder / "metrics.jsonl").read()]
    assert steps_told == ([3, 6] if steps == 6 else [3, 4])


def test_a_stop_before_the_first_step_of_a_resumed_run_leaves_its_checkpoint(
    shards: Path, undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its data do not come."""
    folder = tmp_path / "run"
    config = tiny_config(shards, folder, **SETTINGS)
    stopped_in_step(monkeypatch, config, 2)

    def never(stream: ShardStream, start: int = 0) -> Iterator[object]:
        os.kill(os.getpid(), signal.SIGINT)
        while True:
            time.sleep(0.1)
        yield

    with monkeypatch.context() as during:
        during.setattr(ShardStream, "batches", never)
        with pytest.raises(Stopped, match="stopped after step 2 of 6"):
            run_training(config)
    run_training(config)
    assert model_bytes(folder) == model_bytes(undisturbed)


def end_on_a_rank(config: TrainConfig, asked: bool) -> str:
    """How a rank ends; the last one alone is asked to stop, while statistics are counted."""
    label_maps = Recalibration._label_maps

    def asking(recalibration: Recalibration) -> Iterator[object]:
        for number, batch in enumerate(label_maps(recalibration)):
            if number == 1:
                os.kill(os.getpid(), signal.SIGUSR2)
            yield batch

    if asked and os.environ["RANK"] == "1":
        Recalibration._label_maps = asking  # type: ignore[assignment,method-assign]
    try:
        run_training(config)
    except (Stopped, SystemExit) as stop:
        return f"{type(stop).__name__} {stop}"
    return "finished"


@pytest.mark.slow
def test_two_ranks_stop_in_the_midst_of_statistics(shards: Path, tmp_path: Path) -> None:
    settings = SETTINGS | {"recalibrate_batches": 4}
    for name, asks in (("whole", (False,)), ("parts", (True, False))):
        config = tiny_config(shards, tmp_path / name, **settings)
        for asked in asks:
            ends = run_ranks(2, end_on_a_rank, config, asked, joined=False)
            if asked:
                assert ends[0].startswith("Stopped stopped after step 4 of 6 (SIGUSR2).")
                assert ends[1] == "SystemExit 0"
                (saved,) = checkpoint.steps(config.run.folder / "checkpoints").values()
                assert checkpoint.is_resume_only(saved)
    assert model_bytes(tmp_path / "parts") == model_bytes(tmp_path / "whole")


def test_a_stop_at_the_last_step_leaves_the_rest_to_the_next_start(
    shards: Path, undisturbed: Path, tmp_path: Path, work: dict[str, int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    folder = tmp_path / "run"
    config = tiny_config(shards, folder, **SETTINGS)
    stopped_in_step(monkeypatch, config, 6, work)
    assert work["forwards"] == work["at signal"]
    assert not (folder / "model").exists()
    run_training(config)
    assert model_bytes(folder) == model_bytes(undisturbed)
    assert (folder / "samples/step-00000006.png").exists()
    assert load_model(folder, CPU).facts.training["steps"] == 6


def test_the_clock_asks_for_checkpoints_that_change_nothing(
    shards: Path, undisturbed: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    # Always due; and a report spans each of them.
    config = tiny_config(shards, folder, **SETTINGS | {"checkpoint_minutes": 1e-9, "keep_last": 9})

    def die(trainer: Trainer) -> None:
        raise HistosynError("enough")

    die.interval = 5  # type: ignore[attr-defined]
    with pytest.raises(HistosynError, match="enough"):
        run_training(config, (lambda config, topology: die,))  # type: ignore[arg-type,return-value]
    kinds = {
        step: checkpoint.is_resume_only(path)
        for step, path in checkpoint.steps(folder / "checkpoints").items()
    }
    assert kinds == {1: True, 2: True, 3: True, 4: False, 5: True}
    run_training(config)
    assert model_bytes(folder) == model_bytes(undisturbed)
    steps = [record["step"] for record in RecordsFile(folder / "metrics.jsonl").read()]
    assert steps == [3, 6]


def test_what_happens_after_the_last_step_is_named_and_timed(
    shards: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(progress, "_quick", set())
    monkeypatch.setattr(progress, "_QUICK_SECONDS", 0)
    run_training(tiny_config(shards, tmp_path / "run", steps=1))
    told = [line.partition(" ")[2] for line in capsys.readouterr().err.splitlines()]
    for what in ("batch statistics of the average, 2 batches", "sample grid",
                 "checkpoint of step 1", "model folder"):  # fmt: skip
        assert f"{what} ..." in told
        assert any(line.startswith(f"{what}: ") and line.endswith(" s") for line in told), told
