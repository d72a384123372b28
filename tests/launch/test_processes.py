"""`--processes`: a command on several processes of this machine, and its sentence as the last."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest
from launching import HISTOSYN, environment, started, torchrun, wait_until
from processes import living
from tissue import pack_blobs, tiny_config

from histosyn.config.file import as_toml
from hpc import checkpoint
from hpc.errors import InputError
from hpc.log import RecordsFile
from hpc.run_state import read_state
from launch import processes
from launch.cli import main
from launch.processes import ON_SEVERAL, take_processes

SETTINGS = {"steps": 4, "report_every": 2, "checkpoint_every": 4}


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pack_blobs(tmp_path_factory.mktemp("data"))


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("line", "rest", "count"),
    [
        ("train --processes 2 --run.steps 3", "train --run.steps 3", 2),
        ("train --run.steps 3 --processes=12", "train --run.steps 3", 12),
        ("eval fid --processes 2 a b", "eval fid a b", 2),
        ("eval segmenter train --processes 1", "eval segmenter train", 1),
        ("train --processes 4 --dry-run", "train --dry-run", 1),
        ("synth --help --processes 4", "synth --help", 1),
        # It has an option of this name, which is its own.
        ("pack a b c --processes 4", "pack a b c --processes 4", 1),
        ("train", "train", 1),
    ],
)
def test_what_is_for_us_is_taken_out(alone: None, line: str, rest: str, count: int) -> None:
    assert take_processes(line.split()) == (rest.split(), count)


@pytest.mark.parametrize("value", ["0", "-1", "two", "1.5", ""])
def test_what_is_no_number_of_processes_is_told(alone: None, value: str) -> None:
    with pytest.raises(InputError, match="how many processes"):
        take_processes(["synth", "--processes", *([value] if value else [])])


def test_not_within_torchrun(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "0")
    with pytest.raises(InputError, match="--processes under torchrun"):
        take_processes(["train", "--processes", "2"])


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*HISTOSYN, *map(str, arguments)],
        env=environment(), capture_output=True, text=True, timeout=240,
    )  # fmt: skip


def test_a_wrong_call_is_answered_once_before_anything_starts(tmp_path: Path) -> None:
    done = run("train", "--processes", 2, "--data.shards", "x", "--run.stepps", 3)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("histosyn: ") and "--run.stepps" in line


def test_what_the_ranks_find_wrong_is_the_last_thing_said(shards: Path, tmp_path: Path) -> None:
    done = run("train", "--processes", 2, "--data.shards", tmp_path / "nowhere")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"histosyn: shards: {tmp_path / 'nowhere'} does not exist.")


@pytest.mark.slow
def test_two_processes_train_as_under_torchrun(shards: Path, tmp_path: Path) -> None:
    file = tmp_path / "run.toml"
    file.write_text(as_toml(tiny_config(shards, tmp_path / "run", **SETTINGS)))
    done = run("train", "--processes", 2, "--config", file)
    assert done.returncode == 0, done.stderr
    state = read_state(tmp_path / "run")
    assert state is not None and (state.state, state.world_size) == ("finished", 2)
    other = tmp_path / "other.toml"
    other.write_text(as_toml(tiny_config(shards, tmp_path / "other", **SETTINGS)))
    subprocess.run(
        torchrun(2, "train", "--config", other), env=environment(), check=True,
        capture_output=True, timeout=240,
    )  # fmt: skip
    weights = [tmp_path / name / "model/model.safetensors" for name in ("run", "other")]
    assert weights[0].read_bytes() == weights[1].read_bytes()


@pytest.mark.parametrize(
    "number", [signal.SIGINT, pytest.param(signal.SIGHUP, marks=pytest.mark.slow)]
)
def test_a_signal_saves_and_one_line_is_the_last(
    shards: Path, tmp_path: Path, number: signal.Signals
) -> None:
    config = tiny_config(shards, tmp_path / "run", **SETTINGS | {"steps": 10_000})
    file = tmp_path / "run.toml"
    file.write_text(as_toml(config))
    command = [*HISTOSYN, "train", "--processes", "2", "--config", str(file)]
    with started(command) as process:
        wait_until(lambda: RecordsFile(tmp_path / "run/metrics.jsonl").read(), process)
        ranks = living(parent=process.pid)
        assert len(ranks) == 2
        process.send_signal(number)
        errors = process.communicate(timeout=120)[1]
    assert process.returncode == (130 if number == signal.SIGINT else 0), errors
    assert errors.splitlines()[-1].startswith("histosyn: stopped after step ")
    assert errors.count("asked to stop") == 1
    assert errors.count("histosyn: ") == 1
    assert "Traceback" not in errors
    state = read_state(tmp_path / "run")
    assert state is not None and state.last_checkpoint == state.step
    (saved,) = [
        path for step, path in checkpoint.steps(tmp_path / "run/checkpoints").items()
        if step == state.step
    ]  # fmt: skip
    assert saved.is_dir()


@pytest.mark.slow
def test_a_rank_that_is_killed_is_told_by_another(shards: Path, tmp_path: Path) -> None:
    config = tiny_config(shards, tmp_path / "run", **SETTINGS | {"steps": 10_000})
    file = tmp_path / "run.toml"
    file.write_text(as_toml(config))
    command = [*HISTOSYN, "train", "--processes", "2", "--config", str(file)]
    with started(command) as process:
        wait_until(lambda: RecordsFile(tmp_path / "run/metrics.jsonl").read(), process)
        os.kill(max(living(parent=process.pid)), signal.SIGKILL)
        errors = process.communicate(timeout=120)[1]
    assert process.returncode == 1
    assert "Rank 1 of 2" in errors.splitlines()[-1]


@pytest.mark.slow
def test_ranks_whose_launcher_was_killed_save_and_end(shards: Path, tmp_path: Path) -> None:
    """Nobody passes signals on to them any more, and they keep the run's folder."""
    config = tiny_config(shards, tmp_path / "run", **SETTINGS | {"steps": 10_000})
    file = tmp_path / "run.toml"
    file.write_text(as_toml(config))
    command = [*HISTOSYN, "train", "--processes", "2", "--config", str(file)]
    with started(command) as process:
        wait_until(lambda: RecordsFile(tmp_path / "run/metrics.jsonl").read(), process)
        groups = living(parent=process.pid)
        process.kill()
        errors = process.communicate(timeout=120)[1]
        wait_until(lambda: not any(living(group=group) for group in groups))
    assert "asked to stop (the process that started the ranks is gone)" in errors
    assert errors.splitlines()[-1].startswith("histosyn: stopped after step ")
    state = read_state(tmp_path / "run")
    assert state is not None and state.last_checkpoint == state.step
    assert (state.state, state.next) == ("stopped", "resume")
    file.write_text(as_toml(tiny_config(shards, tmp_path / "run", **SETTINGS
                                        | {"steps": state.step})))  # fmt: skip
    done = run("train", "--processes", 2, "--config", file)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_torchruns_own_table_has_the_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = subprocess.run(
        torchrun(2, "train", "--data.shards", tmp_path / "nowhere"), env=environment(),
        capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    assert done.returncode == 1
    table = done.stderr.rpartition("Root Cause")[2]
    assert f"shards: {tmp_path / 'nowhere'} does not exist." in table


def test_without_torchrun_no_file_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hpc.error_file import leave_for_torchrun

    monkeypatch.delenv("TORCHELASTIC_ERROR_FILE", raising=False)
    leave_for_torchrun("nothing")
    file = tmp_path / "error.json"
    monkeypatch.setenv("TORCHELASTIC_ERROR_FILE", str(file))
    leave_for_torchrun("the disk is full.")
    message = json.loads(file.read_text())["message"]
    assert message["message"] == message["extraInfo"]["py_callstack"] == "the disk is full."
    monkeypatch.setenv("TORCHELASTIC_ERROR_FILE", str(tmp_path / "gone" / "error.json"))
    leave_for_torchrun("nobody is harmed by a file that cannot be written.")


@pytest.mark.parametrize("said", [None, "eth7"])
def test_ranks_listen_on_the_loopback_network_unless_the_user_says_otherwise(
    monkeypatch: pytest.MonkeyPatch, said: str | None
) -> None:
    found = []
    monkeypatch.setattr(processes.subprocess, "Popen", lambda *_, env, **__: found.append(env))
    if said is not None:
        monkeypatch.setenv("GLOO_SOCKET_IFNAME", said)
    else:
        monkeypatch.delenv("GLOO_SOCKET_IFNAME", raising=False)
    processes._start(["train"], {"RANK": "0"}, 2, [])
    assert found[0]["GLOO_SOCKET_IFNAME"] == (said or "lo")
    assert found[0]["RANK"] == "0"


@pytest.mark.parametrize("command", ON_SEVERAL)
def test_help_tells_of_it_and_a_typing_error_finds_it(
    command: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    main([*command, "--help"])
    assert "--processes INT" in capsys.readouterr().out
    rest = ["--data.shards", "a"] if command == ("train",) else ["a", "b"]
    with pytest.raises(SystemExit) as end:
        main([*command, *rest, "--proceses", "2"])
    assert end.value.code == 2
    assert "Did you mean --processes?" in " ".join(capsys.readouterr().err.split())


def test_a_job_starts_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["submit", "synth", "--dry-run", "a", "b", "c", "--processes", "2"])
    assert end.value.code == 2
    assert "leave the option out" in " ".join(capsys.readouterr().err.split())
