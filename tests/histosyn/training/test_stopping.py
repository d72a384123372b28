"""Trainings that are asked to stop: saved, told in state.json, and continued as if undisturbed."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from launching import HISTOSYN, started, torchrun, wait_until
from processes import living
from ranks import run_ranks
from tissue import pack_blobs, tiny_config

from histosyn.config.file import as_toml
from histosyn.config.train import TrainConfig
from histosyn.models.folder import load_model
from histosyn.training.run import run_training
from histosyn.training.trainer import Trainer
from hpc.errors import HistosynError, InputError
from hpc.locks import locked
from hpc.log import RecordsFile
from hpc.preemption import Stopped
from hpc.run_state import RunState, read_state
from launch.cli import main

# Stops fall between two reports and two checkpoints.
SETTINGS = {"steps": 12, "report_every": 5, "checkpoint_every": 10}


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pack_blobs(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def undisturbed(shards: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed") / "run"
    run_training(tiny_config(shards, folder, **SETTINGS))
    return folder


class Ask:
    """After a step, asks the process to stop."""

    def __init__(self, folder: Path, how: signal.Signals | str, step: int = 6) -> None:
        self.folder = folder
        self.how = how
        self.interval = step

    def __call__(self, trainer: Trainer) -> None:
        if isinstance(self.how, signal.Signals):
            os.kill(os.getpid(), self.how)
        elif self.how == "file":
            (self.folder / "STOP").touch()
            # Until somebody has looked.
            time.sleep(2.5)
        elif self.how == "wait":
            time.sleep(2.5)


def lasting(folder: Path) -> tuple[list[dict[str, object]], str]:
    """What of a run must not depend on its interruptions: reports and final weights."""
    reports = [
        {
            name: value
            for name, value in record.items()
            if name in ("step", "images_seen") or name.startswith("loss/")
        }
        for record in RecordsFile(folder / "metrics.jsonl").read()
    ]
    return reports, load_model(folder, torch.device("cpu")).sha256


def state_of(folder: Path) -> RunState:
    state = read_state(folder)
    assert state is not None
    return state


@pytest.mark.parametrize(
    "how, reason, then",
    [
        (signal.SIGUSR2, "SIGUSR2", "requeue"),
        (signal.SIGTERM, "SIGTERM", "requeue"),
        (signal.SIGINT, "Ctrl-C", "resume"),
        ("file", "the file STOP", "resume"),
        ("wait", "the job's end time is near", "requeue"),
    ],
)
def test_a_stop_between_reports_changes_nothing(
    shards: Path, undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    how: signal.Signals | str, reason: str, then: str,
) -> None:  # fmt: skip
    config = tiny_config(shards, tmp_path / "run", **SETTINGS)
    if how == "wait":
        monkeypatch.setenv("SLURM_JOB_END_TIME", str(int(time.time() + 3)))
    with pytest.raises(Stopped) as stopped:
        run_training(config, (lambda config, topology: Ask(config.run.folder, how),))
    assert stopped.value.reason.exit_code == (130 if how == signal.SIGINT else 0)
    state = state_of(config.run.folder)
    assert (state.state, state.reason, state.next) == ("stopped", reason, then)
    assert 6 < state.step < 12 or how == "wait"
    assert state.last_checkpoint == state.step
    assert not (config.run.folder / "STOP").exists()
    monkeypatch.delenv("SLURM_JOB_END_TIME", raising=False)
    run_training(config)
    state = state_of(config.run.folder)
    assert (state.state, state.next, state.step, state.restarts) == ("finished", "nothing", 12, 1)
    assert lasting(config.run.folder) == lasting(undisturbed)


def train_on_rank(config: TrainConfig, ask: bool) -> str:
    """How a rank ends; the last one alone is asked to stop."""
    mine = ask and os.environ["RANK"] == "1"
    try:
        run_training(
            config,
            (lambda config, topology: Ask(config.run.folder, signal.SIGUSR2),) if mine else (),
        )
    except (Stopped, SystemExit) as stop:
        return f"{type(stop).__name__} {stop}"
    return "finished"


@pytest.mark.slow
def test_two_ranks_stop_as_one(shards: Path, tmp_path: Path) -> None:
    for name, asks in (("whole", (False,)), ("parts", (True, False))):
        config = tiny_config(shards, tmp_path / name, **SETTINGS)
        for ask in asks:
            ends = run_ranks(2, train_on_rank, config, ask, joined=False)
            if ask:
                assert ends[0].startswith("Stopped stopped after step 8 of 12 (SIGUSR2).")
                assert ends[1] == "SystemExit 0"
    assert lasting(tmp_path / "parts") == lasting(tmp_path / "whole")


def test_a_failed_run_says_so_and_goes_on(shards: Path, undisturbed: Path, tmp_path: Path) -> None:
    def fail(trainer: Trainer) -> None:
        raise HistosynError("the disk is gone.")

    fail.interval = 7  # type: ignore[attr-defined]
    config = tiny_config(shards, tmp_path / "run", **SETTINGS)
    with pytest.raises(HistosynError, match="the disk is gone"):
        run_training(config, (lambda config, topology: fail,))  # type: ignore[arg-type,return-value]
    state = state_of(config.run.folder)
    assert (state.state, state.reason, state.next) == ("failed", "the disk is gone.", "mend")
    run_training(config)
    assert lasting(config.run.folder) == lasting(undisturbed)


def test_one_process_trains_in_a_folder(shards: Path, tmp_path: Path) -> None:
    config = tiny_config(shards, tmp_path / "run", steps=2)
    run_training(config)
    before = (tmp_path / "run" / "state.json").read_bytes()
    with (
        locked(tmp_path / "run" / "lock", busy="", risk=""),
        pytest.raises(InputError, match="Another process is training in .*run. Wait for it"),
    ):
        run_training(config)
    assert (tmp_path / "run" / "state.json").read_bytes() == before


def exit_code_of(*tokens: object) -> int:
    try:
        main([str(token) for token in tokens])
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def test_a_stop_is_one_line_and_no_failure(
    shards: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "STOP").touch()
    path = tmp_path / "config.toml"
    path.write_text(as_toml(tiny_config(shards, folder, steps=10_000)))
    assert exit_code_of("train", "--config", path) == 0
    (line,) = [
        line for line in capsys.readouterr().err.splitlines() if line.startswith("histosyn:")
    ]
    assert "(the file STOP). It is saved; the same command goes on from there." in line


def test_wrong_usage_is_told_by_the_first_process(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    messages = []
    for rank in ("0", "1"):
        monkeypatch.setenv("RANK", rank)
        assert exit_code_of("train", "--data.shards", "x", "--run.stepps", "3") == 2
        messages.append(capsys.readouterr().err)
    assert "--run.stepps" in messages[0]
    assert messages[1] == ""


def test_processes_that_cannot_know_where_to_meet(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    for name, value in (("RANK", 0), ("WORLD_SIZE", 2), ("LOCAL_RANK", 0), ("LOCAL_WORLD_SIZE", 2)):
        monkeypatch.setenv(name, str(value))
    folder = tmp_path / "run"
    assert exit_code_of("train", "--data.shards", shards, "--run.folder", folder) == 2
    message = capsys.readouterr().err
    assert "MASTER_ADDR and MASTER_PORT not set" in message
    assert "HINT: start with torchrun" in message


def long_run(shards: Path, folder: Path, **settings: object) -> TrainConfig:
    config = tiny_config(shards, folder, **SETTINGS | {"steps": 60} | settings)
    return replace(config, data=replace(config.data, workers=2))


def written(config: TrainConfig) -> str:
    path = config.run.folder.with_suffix(".toml")
    path.write_text(as_toml(config))
    return str(path)


def reports_of(config: TrainConfig) -> int:
    return len(RecordsFile(config.run.folder / "metrics.jsonl").read())


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, pytest.param(signal.SIGKILL, marks=pytest.mark.slow)]
)
def test_loader_workers_end_with_their_process(
    shards: Path, tmp_path: Path, number: signal.Signals
) -> None:
    """SIGTERM comes to all processes, as SLURM and torchrun send it; only training answers."""
    config = long_run(shards, tmp_path / "run", steps=10_000, report_every=1)
    with started([*HISTOSYN, "train", "--config", written(config)]) as process:
        wait_until(lambda: reports_of(config), process)
        assert len(living(group=process.pid)) > 3
        if number == signal.SIGTERM:
            os.killpg(process.pid, number)
        else:
            process.kill()
        errors = process.communicate(timeout=60)[1]
        wait_until(lambda: not living(group=process.pid))
    if number == signal.SIGTERM:
        assert process.returncode == 0, errors
        assert "Traceback" not in errors
        assert state_of(config.run.folder).next == "requeue"


@pytest.fixture(scope="module")
def undisturbed_two(shards: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = long_run(shards, tmp_path_factory.mktemp("undisturbed-two") / "run")
    with started(torchrun(2, "train", "--config", written(config))) as process:
        errors = process.communicate(timeout=300)[1]
    assert process.returncode == 0, errors
    return config.run.folder


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGUSR2, signal.SIGTERM, signal.SIGINT, "file"])
def test_under_torchrun(
    shards: Path, undisturbed_two: Path, tmp_path: Path, how: signal.Signals | str
) -> None:
    config = long_run(shards, tmp_path / "run")
    command = torchrun(2, "train", "--config", written(config))
    with started(command) as process:
        wait_until(lambda: reports_of(config), process)
        if how == "file":
            (config.run.folder / "STOP").touch()
        else:
            process.send_signal(how)
        errors = process.communicate(timeout=120)[1]
    # By a signal torchrun itself has failed, whatever its workers did.
    assert process.returncode == (0 if how == "file" else 1)
    assert errors.count("histosyn: ") == 1, errors
    state = state_of(config.run.folder)
    assert state.state == "stopped"
    assert state.next == ("requeue" if how in (signal.SIGUSR2, signal.SIGTERM) else "resume")
    assert state.last_checkpoint == state.step
    with started(command) as process:
        errors = process.communicate(timeout=300)[1]
    assert process.returncode == 0, errors
    assert lasting(config.run.folder) == lasting(undisturbed_two)


@pytest.mark.slow
def test_torchrun_starts_a_killed_worker_again(
    shards: Path, undisturbed_two: Path, tmp_path: Path
) -> None:
    config = long_run(shards, tmp_path / "run")
    command = torchrun(2, "train", "--config", written(config), options=("--max-restarts", "1"))
    with started(command) as process:
        wait_until(lambda: reports_of(config) >= 3, process)
        os.kill(max(living(parent=process.pid)), signal.SIGKILL)
        errors = process.communicate(timeout=300)[1]
    assert process.returncode == 0, errors
    assert state_of(config.run.folder).restarts == 1
    assert lasting(config.run.folder) == lasting(undisturbed_two)
