"""Training that waits for data that never come: it can be stopped, and it ends by itself."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from launching import started
from tissue import pack_blobs, tiny_config

from histosyn.config.file import as_toml
from histosyn.training.run import run_training
from hpc.run_state import read_state

# Batches from number GIVEN on never come.
STUCK = """
import sys, time
from histosyn.shards.stream import ShardStream
from launch.cli import main

batches = ShardStream.batches

def stuck(stream, start=0):
    for batch in batches(stream, start):
        if batch.number == given:
            print("stuck", flush=True)
            time.sleep(600)
        yield batch

if __name__ == "__main__":
    given = int(sys.argv.pop(1))
    ShardStream.batches = stuck
    main(sys.argv[1:])
"""


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pack_blobs(tmp_path_factory.mktemp("data"))


@pytest.fixture
def command(shards: Path, tmp_path: Path) -> Callable[..., list[str]]:
    """Trains in `run`, on batches of which those from number `given` on never come."""

    def make(given: int, **settings: object) -> list[str]:
        config = tiny_config(shards, tmp_path / "run", steps=6, **settings)
        config = replace(config, data=replace(config.data, workers=1))
        (tmp_path / "stuck.py").write_text(STUCK)
        (tmp_path / "run.toml").write_text(as_toml(config))
        script = [sys.executable, str(tmp_path / "stuck.py"), str(given)]
        return [*script, "train", "--config", str(tmp_path / "run.toml")]

    return make


def test_the_watchdog_sees_the_first_step_too(
    command: Callable[..., list[str]], tmp_path: Path
) -> None:
    with started(command(0, hang_seconds=2)) as process:
        errors = process.communicate(timeout=120)[1]
    assert process.returncode == 1
    message = errors.splitlines()[-1]
    # Where in the loader's code it waits is its own affair.
    assert message.startswith("histosyn: No step was finished for 2 seconds: ")
    for said in ("waiting for its loader workers", "shared memory (/dev/shm) has", "--shm-size",
                 "packed/train", "--run.hang-seconds"):  # fmt: skip
        assert said in message
    state = read_state(tmp_path / "run")
    assert state is not None and (state.state, state.next) == ("failed", "resume")


def test_a_stop_does_not_wait_for_data(
    command: Callable[..., list[str]], shards: Path, tmp_path: Path
) -> None:
    with started(command(2)) as process:
        assert process.stdout.readline() == "stuck\n"
        process.send_signal(signal.SIGTERM)
        errors = process.communicate(timeout=120)[1]
    assert process.returncode == 0, errors
    assert errors.splitlines()[-1].startswith("histosyn: stopped after step 2 of 6 (SIGTERM).")
    state = read_state(tmp_path / "run")
    assert state is not None and (state.last_checkpoint, state.next) == (2, "requeue")
    for name in ("run", "whole"):
        run_training(tiny_config(shards, tmp_path / name, steps=6))
    models = [tmp_path / name / "model/model.safetensors" for name in ("run", "whole")]
    assert models[0].read_bytes() == models[1].read_bytes()
