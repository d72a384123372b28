"""What is told of a sweep while it runs: lines in a log, a table on a terminal."""

from types import SimpleNamespace

import pytest
from rich.console import Console
from sweep_folders import write_sweep
from sweep_records import made_up

from hpc.run_state import RunStateWriter
from tune.plan.config import sweep_from_dict
from tune.plan.trial_folder import Outcome, TrialFolder
from tune.results import watching
from tune.results.watching import Lines, LiveTable


@pytest.fixture
def sweep(tmp_path):
    settings = {"validation": "v", "folder": str(tmp_path), "samples": 3, "evaluate_every": 1,
                "grace_period": 1}  # fmt: skip
    train = {"data": {"shards": "t"}, "run": {"steps": 90}, "discriminator": {"pretrained": "none"}}
    search = {"loss.adversarial": {"uniform": [0, 1]}}
    return sweep_from_dict({"train": train, "search": search, "sweep": settings}, "F")


@pytest.fixture
def clock(monkeypatch):
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(watching, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


def took(sweep, number, step):
    folder = sweep.trial_folder(number)
    folder.mkdir(parents=True, exist_ok=True)
    keeper = RunStateWriter(folder, steps=90, world_size=1, device="cpu")
    keeper.running(step, None)


def without_eta(lines):
    return [line.partition(" eta=")[0] for line in lines]


def test_trials_that_train_are_told_by_time(sweep, told, clock):
    tell = Lines(sweep)
    turns = [(0, None), (1, None)]
    for number in range(3):
        took(sweep, number, 7 * number)
    tell.passing(turns)
    assert told == []
    clock.now = 3
    tell.passing(turns)
    assert without_eta(told) == ["trial=1 state=running step=7/90"], "no step is nothing to tell"
    took(sweep, 0, 2)
    for clock.now in (4, 32):
        tell.passing(turns)
    assert len(told) == 1
    clock.now = 33
    tell.passing(turns)
    assert without_eta(told[1:]) == [
        "trial=0 state=running step=2/90", "trial=1 state=running step=7/90",
    ]  # fmt: skip


def test_nobody_who_trains_yet_is_asked_again_soon(sweep, told, clock):
    tell = Lines(sweep)
    clock.now = 3
    tell.passing([(0, None)])
    (sweep.trial_folder(1)).mkdir(parents=True)
    (sweep.trial_folder(1) / "state.json").write_text("no state")
    took(sweep, 0, 1)
    clock.now = 4
    tell.passing([(1, None), (0, None)])
    assert without_eta(told) == ["trial=0 state=running step=1/90"]


def test_who_begins_is_told_with_its_settings(sweep, told):
    Lines(sweep).begun((1, None))

    value = sweep.candidate(1).values["loss.adversarial"]
    assert told == [f"trial=1 state=begun seed=0 loss.adversarial={value:.4g}"]


def test_an_end_is_told_with_its_reason_and_how_the_sweep_stands(tmp_path, told):
    record = made_up(6)
    sweep = write_sweep(tmp_path / "made-up", 6, ended=False, tissue=False, record=record)
    worst = next(trial for trial in record.trials if trial.state == "diverged")
    tell = Lines(sweep)
    tell.ended((worst.number, None))
    tell.ended((0, 2))

    assert told[0].startswith(f"trial={worst.number} state=diverged step=500/3000 images_seen=4000")
    assert told[1] == f"trial {worst.number} diverged: {worst.reason}"
    assert told[2].startswith(f"sweep=made-up ended=6/6 best={record.best.number} distance=")
    assert told[3].startswith("trial=0-seed-2 state=finished step=3000/3000 images_seen=24000")
    assert (tmp_path / "made-up" / "leaderboard.csv").is_file()


def test_the_table_is_drawn_when_something_happens_and_now_and_then(sweep, told, clock):
    shown = []
    table = LiveTable(sweep, shown.append)
    table.draw()
    for clock.now in (0.5, 1.9, 2.0, 2.1):
        table.passing([(0, None)])
    assert len(shown) == 2
    took(sweep, 0, 3)
    table.begun((0, None))
    console = Console(width=120, record=True, quiet=True)
    with console.capture():
        console.print(shown[-1])
    assert len(shown) == 3
    TrialFolder(sweep.trial_folder(0)).conclude(Outcome(status="failed", reason="no space"))
    table.ended((0, None))
    assert told == ["trial 0 failed: no space"]
    (sweep.trial_folder(1)).mkdir(parents=True)
    (sweep.trial_folder(1) / "outcome.json").write_text("{")
    table.draw()
    assert "outcome.json is damaged" in told[-1]
