"""What is due by the clock is due on all ranks at the same edge."""

import os
import time

import pytest
import torch
from ranks import run_ranks

from hpc import timer
from hpc.timer import Timer

CPU = torch.device("cpu")


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now = 0.0

        def monotonic(self):
            return self.now

    clock = Clock()
    monkeypatch.setattr(timer, "time", clock)
    return clock


def test_it_is_due_every_so_many_minutes(clock):
    is_due, edges = Timer(2, CPU, is_first=True), []
    for edge in range(1, 11):
        clock.now += 50
        if is_due():
            edges.append(edge)
    assert edges == [3, 6, 9]


def test_what_is_done_otherwise_puts_it_off(clock):
    is_due = Timer(2, CPU, is_first=True)
    clock.now = 119
    is_due.restart()
    clock.now = 238
    assert not is_due()
    clock.now = 239
    assert is_due()


def test_at_no_minutes_nothing_is_due(clock):
    is_due = Timer(0, CPU, is_first=True)
    clock.now = 1e9
    assert not is_due()


def due_edges():
    """Edges at which it was due, on ranks whose clocks go apart."""
    rank = int(os.environ["RANK"])
    is_due, found = Timer(0.05 / 60, CPU, is_first=rank == 0), []
    for edge in range(40):
        time.sleep(0.01 * (rank + 1))
        if is_due():
            found.append(edge)
    is_due.wait()
    return found


def test_rank_0_decides_for_all():
    first, second = run_ranks(2, due_edges)
    assert first == second
    assert 1 < len(first) < 40
