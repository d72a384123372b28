"""What is told of a sweep while it runs."""

import logging
from types import SimpleNamespace

import pytest

from hpc.log import logger
from hpc.run_state import RunStateWriter
from tune import runner
from tune.config import sweep_from_dict
from tune.runner import TrialLog


@pytest.fixture
def sweep(tmp_path):
    settings = {
        "validation": "v",
        "folder": str(tmp_path),
        "samples": 3,
        "evaluate_every": 1,
        "grace_period": 1,
    }
    train = {"data": {"shards": "t"}, "run": {"steps": 90}}
    search = {"loss.adversarial": {"uniform": [0, 1]}}
    return sweep_from_dict({"train": train, "search": search, "sweep": settings}, "F")


@pytest.fixture
def told(monkeypatch):
    lines = []

    class Listener(logging.Handler):
        def emit(self, record):
            lines.append(record.getMessage())

    monkeypatch.setattr(logger, "handlers", [Listener()])
    monkeypatch.setattr(logger, "level", logging.INFO)
    return lines


@pytest.fixture
def clock(monkeypatch):
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(runner, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


def trial(number, status="RUNNING"):
    return SimpleNamespace(config={"number": number}, status=status)


def took(sweep, number, step):
    folder = sweep.trial_folder(number)
    folder.mkdir(parents=True, exist_ok=True)
    keeper = RunStateWriter(folder, steps=90, world_size=1, device="cpu")
    keeper.running(step, None)


def test_trials_that_train_are_told_by_time(sweep, told, clock):
    tell = TrialLog(sweep)
    trials = [trial(0), trial(1), trial(2, "PENDING")]
    for number in range(3):
        took(sweep, number, 7 * number)
    tell.on_step_end(1, trials)
    assert told == []
    clock.now = 3
    tell.on_step_end(2, trials)
    assert told == ["trial=1 step=7/90"], "no step is nothing to tell yet"
    took(sweep, 0, 2)
    for clock.now in (4, 32):
        tell.on_step_end(3, trials)
    assert len(told) == 1
    clock.now = 33
    tell.on_step_end(4, trials)
    assert told[1:] == ["trial=0 step=2/90", "trial=1 step=7/90"]


def test_nobody_who_trains_yet_is_asked_again_soon(sweep, told, clock):
    tell = TrialLog(sweep)
    clock.now = 3
    tell.on_step_end(1, [trial(0)])
    (sweep.trial_folder(1)).mkdir(parents=True)
    (sweep.trial_folder(1) / "state.json").write_text("no state")
    took(sweep, 0, 1)
    clock.now = 4
    tell.on_step_end(2, [trial(1), trial(0)])
    assert told == ["trial=0 step=1/90"]
