"""`state.json`: written from start to end, summed over restarts, never in the way."""

import json

import pytest

from hpc.errors import HistosynError, InputError
from hpc.preemption import REASONS, Stopped
from hpc.run_state import FINISHED, Ending, StateKeeper, read_state, record_ending


def keeper(folder):
    return StateKeeper(folder, steps=100, world_size=4, device="cpu")


def test_a_run_from_start_to_end(tmp_path, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "4711")
    kept = keeper(tmp_path)
    kept.running(0, None)
    first = read_state(tmp_path)
    assert (first.state, first.step, first.steps, first.job) == ("running", 0, 100, "4711")
    kept.running(40, 20)
    kept.end(FINISHED)
    last = read_state(tmp_path)
    assert (last.state, last.next, last.step, last.last_checkpoint) == (
        "finished",
        "nothing",
        40,
        20,
    )
    assert last.restarts == 0


def test_restarts_and_seconds_add_up(tmp_path):
    for _ in range(3):
        kept = keeper(tmp_path)
        kept.running(1, None)
        state = json.loads((tmp_path / "state.json").read_text())
        state["process_seconds"] += 100.0
        (tmp_path / "state.json").write_text(json.dumps(state))
    found = read_state(tmp_path)
    assert found.restarts == 2
    assert found.process_seconds >= 300


@pytest.mark.parametrize(
    "error, expected",
    [
        (Stopped(REASONS[3], ""), ("stopped", "requeue", 0)),
        (Stopped(REASONS[0], ""), ("stopped", "resume", 0)),
        (KeyboardInterrupt(), ("stopped", "resume", 130)),
        (InputError("wrong"), ("failed", "mend", 2)),
        (HistosynError("broken"), ("failed", "mend", 1)),
        (KeyError("bug"), ("failed", "mend", 1)),
    ],
)
def test_how_it_ends_says_what_to_do(tmp_path, error, expected):
    ending = Ending.of(error)
    assert (ending.state, ending.next, ending.exit_code) == expected
    kept = keeper(tmp_path)
    kept.running(3, None)
    kept.end(ending)
    state = read_state(tmp_path)
    assert (state.state, state.next) == expected[:2]


def test_a_run_that_never_began_leaves_nothing(tmp_path):
    keeper(tmp_path).end(Ending.of(InputError("no shards")))
    record_ending(tmp_path, Ending.of(InputError("no shards")))
    assert list(tmp_path.iterdir()) == []


def test_the_ending_is_recorded_for_a_dead_rank(tmp_path):
    keeper(tmp_path).running(7, 5)
    record_ending(tmp_path, Ending(state="failed", reason="rank 0 died", next="resume"))
    state = read_state(tmp_path)
    assert (state.state, state.reason, state.step) == ("failed", "rank 0 died", 7)


def test_a_damaged_state_is_a_warning(tmp_path, caplog):
    (tmp_path / "state.json").write_text('{"state": "run')
    assert read_state(tmp_path) is None
    assert "is damaged" in caplog.text


def test_a_disk_that_takes_nothing_does_not_end_a_run(tmp_path, caplog):
    (tmp_path / "file").touch()
    keeper(tmp_path / "file").running(1, None)
    assert "could not be written" in caplog.text
