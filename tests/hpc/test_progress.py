"""Long work tells how far it is, by time."""

import pytest

from hpc import progress
from hpc.progress import ProgressLog, timed


@pytest.fixture
def clock(monkeypatch):
    """Time that passes only when told to."""

    class Clock:
        now = 100.0

        def monotonic(self):
            return self.now

    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    return clock


@pytest.fixture
def told(told, monkeypatch):
    monkeypatch.setattr(progress, "_quick", set())
    return told


def test_the_first_line_comes_after_seconds_then_now_and_then(clock, told):
    shown = ProgressLog("step", total=100, done=40)
    at = {}
    for done in range(41, 101):
        clock.now += 2
        before = len(told)
        shown.update(done)
        if len(told) > before:
            at[done] = told[-1]
    assert list(at) == [42, 57, 72, 87]
    assert at[42] == "step=42/100 seconds_each=2 eta=0:01:56"


def test_a_step_of_minutes_is_told_as_soon_as_it_is_done(clock, told):
    shown = ProgressLog("step", total=9)
    clock.now += 300
    shown.update(0)
    assert told == []
    shown.update(1)
    assert told == ["step=1/9 seconds_each=300 eta=0:40:00"]


def test_a_postponed_line_is_not_logged(clock, told):
    shown = ProgressLog("step", total=9)
    for done in range(1, 9):
        clock.now += 20
        shown.postpone()
        clock.now += 9
        shown.update(done)
    assert told == []


def test_work_without_steps_is_named_before_and_timed_after(clock, told):
    with timed("model folder"):
        assert told == ["model folder ..."]
        clock.now += 4.25
    assert told[1:] == ["model folder: 4.2 s"]


def test_what_takes_no_time_is_named_once(clock, told):
    for _ in range(3):
        with timed("sample grid of one tile"):
            clock.now += 0.5
    assert told == ["sample grid of one tile ..."]
    with timed("sample grid of one tile"):
        clock.now += 5
    assert told[1:] == ["sample grid of one tile: 5.0 s"]


def test_what_failed_is_not_timed(told):
    with pytest.raises(OSError, match="no room"), timed("model folder"):
        raise OSError("no room")
    assert told == ["model folder ..."]
