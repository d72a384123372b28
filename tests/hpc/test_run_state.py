"""`state.json`: written from start to end, summed over restarts, never in the way."""

import json
from dataclasses import replace

import pytest

from hpc.errors import DamagedFileError, HistosynError, InputError
from hpc.preemption import REASONS, Stopped
from hpc.run_state import FINISHED, Ending, RunStateWriter, read_state, record_ending


def keeper(folder):
    return RunStateWriter(folder, steps=100, world_size=4, device="cpu")


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


def test_a_start_that_was_refused_says_so_and_changes_nothing_else(tmp_path, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    kept = keeper(tmp_path)
    kept.running(40, 20)
    kept.end(Ending.of(Stopped(REASONS[0], "")))
    before = read_state(tmp_path)
    monkeypatch.setenv("SLURM_JOB_ID", "8")
    refused = RunStateWriter(tmp_path, steps=3, world_size=9, device="cuda")
    refused.end(Ending.of(InputError("other settings")))
    found = read_state(tmp_path)
    assert (found.state, found.reason, found.next) == ("failed", "other settings", "mend")
    assert found == replace(
        before, state="failed", reason="other settings", next="mend", job="8", updated=found.updated
    )
    keeper(tmp_path).running(40, 20)
    assert read_state(tmp_path).restarts == 1


def test_a_finished_run_stays_so_whatever_is_tried(tmp_path):
    kept = keeper(tmp_path)
    kept.running(100, 100)
    kept.end(FINISHED)
    before = (tmp_path / "state.json").read_bytes()
    keeper(tmp_path).end(Ending.of(InputError("other settings")))
    assert (tmp_path / "state.json").read_bytes() == before


def test_an_error_of_the_system_names_its_file(tmp_path):
    with pytest.raises(OSError) as error:
        (tmp_path / "none").read_text()
    assert str(tmp_path / "none") in Ending.of(error.value).reason


def test_a_damaged_state_is_told_and_written_anew(tmp_path, caplog):
    (tmp_path / "state.json").write_text('{"state": "run')
    with pytest.raises(DamagedFileError, match=r"state\.json is damaged .* writes it anew"):
        read_state(tmp_path)
    record_ending(tmp_path, FINISHED)
    keeper(tmp_path).running(3, None)
    assert read_state(tmp_path).restarts == 0
    assert "state.json is damaged" in caplog.text


def test_the_ending_is_told_on_a_full_disk(small_disk, full_disk, caplog):
    kept = keeper(small_disk)
    kept.running(3, None)
    full_disk()
    kept.running(4, None)
    assert "state.json could not be written: No space left" in caplog.text
    assert read_state(small_disk).step == 3
    kept.end(Ending.of(HistosynError("the disk is full")))
    state = read_state(small_disk)
    assert (state.state, state.reason, state.step) == ("failed", "the disk is full", 4)


def test_a_disk_that_takes_nothing_does_not_end_a_run(tmp_path, caplog):
    (tmp_path / "file").touch()
    keeper(tmp_path / "file").running(1, None)
    assert "could not be written" in caplog.text


@pytest.mark.parametrize(
    "change",
    [{"state": None}, {"state": "odd"}, {"updated": 5}, {"pid": "x"}, {"pid": 10**30}, {"pid": -9},
     {"process_seconds": "x"}, {"process_seconds": -1}, {"step": "x"}, {"job": 7}, {"host": "\0"}],
)  # fmt: skip
def test_a_state_of_wrong_types_names_the_field(tmp_path, change):
    keeper(tmp_path).running(7, 5)
    path = tmp_path / "state.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))

    with pytest.raises(DamagedFileError, match=rf"state\.json is damaged \({next(iter(change))}: "):
        read_state(tmp_path)


def test_what_a_later_version_adds_is_passed_over(tmp_path):
    keeper(tmp_path).running(7, 5)
    path = tmp_path / "state.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"mood": ["good"]}))

    assert read_state(tmp_path).step == 7
